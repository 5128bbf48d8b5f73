"""`endpoint worker`, a process of its own: endpoint.commands.worker."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.commands.worker import run
from endpoint.errors import ConfigError
from endpoint.jobs.job import Job, JobFile, Status, new_id
from endpoint.jobs.spool import FolderSpool
from endpoint.jobs.sqlite import SqliteStore
from endpoint.memfile import MemoryFile

SPEECH = Path(__file__).parents[1] / "endpoint" / "demo" / "recordings" / "LJ001-0011.flac"


@pytest.mark.parametrize("flags", [[], ["--jobs-url", "off"], ["--jobs-url", "x.db", "--job-workers", "0"]])
def test_a_worker_needs_a_store_and_something_to_do(flags: list[str]) -> None:
    with pytest.raises(ConfigError, match="JOB"):
        run(["--engine", "fake", *flags])


@pytest.mark.timeout(300)
async def test_it_works_off_what_the_store_has_and_ends_with_0(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    store, spool = SqliteStore(path, wait_seconds=30), FolderSpool(tmp_path / "jobs-audio")
    await store.open()
    key = await spool.put(MemoryFile(SPEECH.read_bytes()))
    job = await store.submit(Job(new_id(), (JobFile("speech.flac", key),), model="fake"))
    command = [sys.executable, "-m", "endpoint", "worker", "--engine", "fake", "--decode-workers", "1"]
    worker = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [*command, "--jobs-url", str(path)], stdout=subprocess.DEVNULL
    )
    try:
        while not (found := await store.get(job.id)) or not found.status.final:
            assert worker.poll() is None
            await asyncio.sleep(0.05)
        assert found.status is Status.SUCCEEDED
        assert await store.result(job.id, 0)
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 120) == 0
    finally:
        worker.kill()
        worker.wait()
        await store.close()
