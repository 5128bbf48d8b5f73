"""Several API processes of one machine count together, and a killed one loses no usage. Redis: `make harden`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx

from endpoint.access.usage_sqlite import SqliteLedger
from endpoint.net import free_port
from tests.servers import Server, running_server
from tests.talk import make_talk

PATH = "/v1/audio/transcriptions"
LIMIT = 20
EVER = "0001-01-01", "9999-12-31"


def recording() -> bytes:
    return make_talk(5).wav


async def post(base: str, data: bytes) -> int:
    """On a connection of its own: the kernel gives each to one of the processes."""
    async with httpx.AsyncClient(timeout=120) as client:
        return (await client.post(base + PATH, files={"file": ("a.wav", data)})).status_code


async def requests_in(path: Path) -> int:
    ledger = SqliteLedger(path, wait_seconds=60)
    await ledger.open()
    try:
        return sum(day.requests for day in await ledger.days(*EVER))
    finally:
        await ledger.close()


async def test_two_processes_admit_what_one_would(tmp_path: Path) -> None:
    settings = {
        "ENGINE": "fake",
        "API_PROCESSES": 2,
        "JOBS_URL": tmp_path / "jobs.db",
        "JOB_WORKERS": 0,
        "LIMIT_AUDIO_SECONDS_PER_MONTH": LIMIT * 5,
    }
    with running_server(tmp_path / "output.txt", **settings) as base:
        data, slots = recording(), asyncio.Semaphore(8)

        async def one() -> int:
            async with slots:
                return await post(base, data)

        statuses = Counter(await asyncio.gather(*(one() for _ in range(2 * LIMIT))))
    assert statuses == {200: LIMIT, 429: LIMIT}
    assert await requests_in(tmp_path / "jobs.db") == LIMIT


async def test_a_process_that_is_killed_loses_no_usage(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    settings = {"ENGINE": "fake", "API_PROCESSES": "1", "JOBS_URL": str(tmp_path / "jobs.db"), "JOB_WORKERS": "0"}
    base, data, done = f"http://127.0.0.1:{port}", recording(), 0
    for signal_number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        with (tmp_path / "output.txt").open("a") as output:
            process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here
                command, stdout=output, stderr=output, env={**os.environ, **settings}
            )
        try:
            Server(process, base, tmp_path / "output.txt").wait()
            for _ in range(3):
                assert await post(base, data) == 200
                done += 1
            process.send_signal(signal_number)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
    assert await requests_in(tmp_path / "jobs.db") == done == 9
