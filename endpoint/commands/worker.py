"""`endpoint worker`: works jobs off, without HTTP. Many may share one store of jobs, on many machines."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from functools import partial

import structlog

from endpoint.access.limits_wiring import build_limiter
from endpoint.config import Settings, load_settings
from endpoint.errors import ConfigError
from endpoint.jobs.account import settle
from endpoint.jobs.wiring import OFF, build_background, build_jobs
from endpoint.models import Models
from endpoint.observe.calls import Observer
from endpoint.observe.log import configure_logging
from endpoint.observe.port import metrics_port
from endpoint.wiring import build_models

GRACE_SECONDS = 20.0  # after SIGTERM: jobs that end within it are finished, others are handed back
CHECK_SECONDS = 1.0  # between looks at the engines

log = structlog.get_logger(__name__)


def run(argv: list[str]) -> int:
    settings = load_settings(argv, prog="endpoint worker")
    configure_logging(settings.log_level, settings.log_format)
    if settings.jobs_url in ("", OFF):
        raise ConfigError("JOBS_URL: a worker needs the store that the servers have: a file, or redis://...")
    if not settings.job_workers:
        raise ConfigError("JOB_WORKERS: a worker needs one at least")
    return asyncio.run(work(settings))


async def work(settings: Settings) -> int:
    """Until a signal comes: then no more jobs are taken, and those under way are finished or handed back."""
    jobs, models = build_jobs(settings), build_models(settings)
    assert jobs is not None
    observer, limiter = Observer.of(settings), build_limiter(settings)
    background = build_background(settings, jobs, models, observer)
    background.runner.settle = partial(settle, limiter)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loaded = asyncio.ensure_future(models.start())
    try:
        await asyncio.wait({loaded, asyncio.ensure_future(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            loaded.result()  # raises what kept the models from loading
            background.start(loaded)
            log.info("worker ready", at_once=settings.job_workers)
            async with metrics_port(settings):
                await watch(models, stopping)
    finally:
        loaded.cancel()
        await asyncio.gather(loaded, return_exceptions=True)
        await background.close(GRACE_SECONDS)
        await jobs.store.close()
        await limiter.close()
        await models.close()
        await asyncio.to_thread(observer.close)
    return 0


async def watch(models: Models, stopping: asyncio.Event) -> None:
    """Until `stopping` is set. Raises EngineFailed when a model can do no more: whoever runs the worker restarts it."""
    while not stopping.is_set():
        await models.check()
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                await stopping.wait()
