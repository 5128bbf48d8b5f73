"""The parts of jobs joined by the settings: store, spool, worker and webhooks of one process."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.jobs.runner import Runner
from endpoint.jobs.service import Jobs, opened
from endpoint.jobs.spool import spool_of
from endpoint.jobs.sqlite import SqliteStore
from endpoint.jobs.store import JobStore
from endpoint.jobs.webhook import Dispatcher
from endpoint.observe.calls import Observer
from endpoint.outgoing import OutgoingPolicy, fetch
from endpoint.settings.base import split

if TYPE_CHECKING:
    from endpoint.memfile import MemoryFile
    from endpoint.models import Models

log = structlog.get_logger(__name__)

OFF = "off"
SECONDS_A_DAY = 86_400.0
MIB = 1024 * 1024


class Background:
    """What works on jobs in one process: a runner, and who sends webhooks. They share one life."""

    def __init__(self, runner: Runner, dispatcher: Dispatcher, store: JobStore) -> None:
        self.runner, self._dispatcher, self._store = runner, dispatcher, store
        self._tasks = list[asyncio.Task[None]]()

    def start(self, ready: Awaitable[object]) -> None:
        """ready: done once the models are loaded."""
        self._tasks = [
            asyncio.create_task(self._run(ready), name="jobs"),
            asyncio.create_task(self._send(), name="webhooks"),
        ]

    async def _run(self, ready: Awaitable[object]) -> None:
        await ready
        await self.runner.run()

    async def _send(self) -> None:
        await opened(self._store)
        await self._dispatcher.run()

    async def close(self, seconds: float = 0.0) -> None:
        """Take no more jobs; those under way get `seconds`, and are then handed back."""
        await self.runner.drain(seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._store.close()


def open_store(settings: Settings) -> JobStore:
    """Of JOBS_URL; not connected yet. Raises ConfigError."""
    seconds = settings.job_result_days * SECONDS_A_DAY
    url = settings.jobs_url
    if url.startswith(("redis://", "rediss://", "unix://")):
        from endpoint.jobs.redis import RedisStore

        return RedisStore(url, result_seconds=seconds)
    if "://" in url:
        raise ConfigError(f"JOBS_URL: {url.partition('://')[0]} is no store; give a file, redis://... or `off`")
    path = settings.jobs_file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"JOBS_URL: {path.parent} cannot be made: {error.strerror}") from error
    return SqliteStore(path, result_seconds=seconds)


def build_jobs(settings: Settings) -> Jobs | None:
    """What the API needs of jobs; None where they are off."""
    if settings.jobs_url == OFF:
        return None
    try:
        store = open_store(settings)
    except ConfigError as error:
        if settings.jobs_url:
            raise
        log.warning("jobs are off: there is no folder for them; set JOBS_URL", why=error.message)
        return None
    return Jobs(store, spool_of(audio_of(settings)), policy_of(settings))


def build_background(settings: Settings, jobs: Jobs, models: Models, observer: Observer) -> Background:
    """A worker for the jobs of this process's store. `jobs.wake` nudges it afterwards."""
    owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    stores, fetching = partial(open_store, settings), partial(_fetch, settings)
    runner = Runner(
        stores,
        jobs.spool,
        models.find,
        fetching,
        observer=observer,
        owner=owner,
        at_once=settings.job_workers,
        lease_seconds=settings.job_lease_seconds,
    )
    secrets = split(settings.webhook_secrets.get_secret_value()) if settings.webhook_secrets else ()
    store = open_store(settings)
    return Background(runner, Dispatcher(store, policy_of(settings), secrets, owner=owner), store)


def audio_of(settings: Settings) -> str:
    """Where audio of jobs waits."""
    if settings.job_audio:
        return settings.job_audio
    if "://" in settings.jobs_url:
        return str(settings.state_folder / "jobs-audio")
    file = settings.jobs_file
    return str(file.with_name(f"{file.stem}-audio"))


def policy_of(settings: Settings) -> OutgoingPolicy:
    return OutgoingPolicy.parse(settings.url_hosts, settings.url_networks)


async def _fetch(settings: Settings, url: str) -> MemoryFile:
    return await fetch(url, policy_of(settings), settings.max_upload_mb * MIB)
