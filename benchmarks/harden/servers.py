"""Servers of a check's own, with the fake engine, and a Redis beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from benchmarks.chaos.processes import Process, endpoint
from benchmarks.chaos.timeline import Timeline
from benchmarks.chaos.world import redis_program
from endpoint.net import free_port


@asynccontextmanager
async def server(
    folder: Path, name: str = "server", *, engine: dict[str, float] | None = None, **settings: str
) -> AsyncIterator[tuple[Process, str]]:
    """One that is ready, and its address. It is ended with the block."""
    port = free_port()
    given = {
        "ENGINE": "fake",
        "ENGINE_ARGS": json.dumps(engine or {}),
        "VAD_FILTER": "false",
        "DECODE_WORKERS": "2",
        "API_PROCESSES": "1",
        "JOBS_URL": str(folder / "jobs.db"),
        "OMP_NUM_THREADS": "1",
        "LOG_LEVEL": "warning",
    }
    command = endpoint("serve", "--host", "127.0.0.1", "--port", str(port))
    made = Process(name, command, given | settings, folder, Timeline())
    made.start()
    try:
        base = f"http://127.0.0.1:{port}"
        await made.wait_ready(base)
        yield made, base
    finally:
        await made.end()


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The address of a Redis or Valkey of the check's own. Raises RuntimeError where there is no program."""
    from tests.redis_server import RedisProcess

    program = redis_program()
    if program is None:
        raise RuntimeError("there is neither redis-server nor valkey-server")
    shutil.rmtree(folder / "redis", ignore_errors=True)
    (folder / "redis").mkdir()
    made = RedisProcess(program, folder / "redis", "everysec")
    made.start()
    try:
        yield made.url
    finally:
        made.kill()
