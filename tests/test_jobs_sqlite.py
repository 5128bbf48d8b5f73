"""Several processes, one that is killed, a full disk, a lock, a disk that hangs: endpoint.jobs.sqlite."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from endpoint.errors import StoreUnavailable
from endpoint.jobs.job import Job
from endpoint.jobs.sqlite import SqliteStore
from endpoint.stores import sqlite as stores_sqlite
from endpoint.stores.sqlite import SLACK_SECONDS, WAIT_SECONDS
from tests.jobs_support import make_job

ROOT = Path(__file__).parents[1]
LONG_SECONDS = 60.0  # where it is not the waiting that is tested

SUBMIT = """
import asyncio, sys
from pathlib import Path
from endpoint.jobs.sqlite import SqliteStore
from tests.jobs_support import make_job

async def main(path, first):
    store = SqliteStore(Path(path), wait_seconds=60.0)
    await store.open()
    number = int(first)
    while True:
        job = await store.submit(make_job(number, caller="child"))
        print(job.id, flush=True)
        number += 1

asyncio.run(main(*sys.argv[1:]))
"""
CLAIM = """
import asyncio, sys
from pathlib import Path
from endpoint.jobs.sqlite import SqliteStore

async def main(path):
    store = SqliteStore(Path(path), wait_seconds=60.0)
    await store.open()
    while (claim := await store.claim("child")) is not None:
        print(claim.job.id, claim.token, flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def opened(path: Path, wait_seconds: float = LONG_SECONDS) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, wait_seconds=wait_seconds)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@contextlib.contextmanager
def running(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_two_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    async with opened(path) as store:
        for number in range(120):
            await store.submit(make_job(number))
        with running(CLAIM, path) as child:
            assert child.stdout is not None
            theirs = [tuple((await asyncio.to_thread(child.stdout.readline)).split())]  # it is at work
            ours = []
            while (claim := await store.claim("parent")) is not None:
                ours.append((claim.job.id, str(claim.token)))
            theirs += [tuple(line.split()) for line in await asyncio.to_thread(child.stdout.readlines)]
        both = ours + theirs
        assert sorted(job_id for job_id, _ in both) == [f"job_{number:06d}" for number in range(120)]
        assert len({token for _, token in both}) == 120


async def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "jobs.db", []
    for first in (0, 1000, 2000):
        with running(SUBMIT, path, first) as child:
            assert child.stdout is not None
            acknowledged += [(await asyncio.to_thread(child.stdout.readline)).strip() for _ in range(40)]
            child.kill()  # SIGKILL, wherever it is
            rest = (await asyncio.to_thread(child.stdout.read)).split("\n")
            acknowledged += [line.strip() for line in rest[:-1]]  # the last line may be cut
    assert len(acknowledged) >= 120
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    async with opened(path) as store:
        kept = await store.list(None, limit=1_000_000)
        assert set(acknowledged) <= {job.id for job in kept}
        sizes = await store.sizes()
        assert sizes["jobs"] == sizes["events"] == sizes["queued"] == len(kept)  # no job without its event


async def submit_until_full(store: SqliteStore) -> list[Job]:
    kept: list[Job] = []
    with contextlib.suppress(StoreUnavailable):
        while True:
            kept.append(await store.submit(make_job(len(kept), metadata={"x": "x" * 2000})))
    return kept


async def test_on_a_full_disk_what_there_is_stays_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pragmas = (*stores_sqlite.PRAGMAS, "PRAGMA max_page_count = 80")
    monkeypatch.setattr(stores_sqlite, "PRAGMAS", pragmas)
    async with opened(tmp_path / "jobs.db") as store:
        kept = await submit_until_full(store)
        assert kept
        with pytest.raises(StoreUnavailable, match="full"):
            await store.submit(make_job(9999, metadata={"x": "x" * 20_000}))
        await store.ping()
        assert list(await store.list(None, limit=1000, order="asc")) == kept
        sizes = await store.sizes()
        assert sizes["jobs"] == sizes["events"] == len(kept)
        for job in kept[:3]:
            await store.delete(job.id)
        await store.submit(make_job(len(kept)))  # there is room again


async def test_a_lock_is_not_waited_for_for_long(tmp_path: Path) -> None:
    """It is held until the store has given up, however slow this machine is."""
    assert WAIT_SECONDS + SLACK_SECONDS < 2
    path = tmp_path / "jobs.db"
    async with opened(path, WAIT_SECONDS) as store:
        await store.submit(make_job(1))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            steps = [store.submit(make_job(number)) for number in range(2, 6)]
            errors = await asyncio.gather(*steps, return_exceptions=True)  # side by side, not one after another
            assert [type(error) for error in errors] == [StoreUnavailable] * 4
            assert await store.get("job_000001") == make_job(1)
            other.execute("ROLLBACK")
    async with opened(path) as store:
        assert [job.id for job in await store.list(None)] == ["job_000001"]
        await store.submit(make_job(2))


async def test_a_lock_that_is_let_go_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    async with opened(path) as store:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            step = asyncio.create_task(store.submit(make_job(1)))
            await asyncio.sleep(0.05)
            assert not step.done()
            other.execute("COMMIT")
            assert await step == make_job(1)


async def test_a_step_that_comes_too_late_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "jobs.db") as store:
        late = SqliteStore(tmp_path / "jobs.db", wait_seconds=-SLACK_SECONDS)
        with pytest.raises(StoreUnavailable):
            await late.open()
        with pytest.raises(StoreUnavailable):
            await late.submit(make_job(1))
        await late.close()
        assert (await store.sizes())["jobs"] == 0


async def test_a_disk_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    hangs, clock = threading.Event(), lambda: float(hangs.wait())
    store = SqliteStore(tmp_path / "jobs.db", clock=clock, wait_seconds=0.1)
    with pytest.raises(StoreUnavailable):
        await store.open()
    hangs.set()
    await store.close()


async def test_a_file_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    store = SqliteStore(folder / "jobs.db", wait_seconds=LONG_SECONDS)
    with pytest.raises(StoreUnavailable):
        await store.open()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    folder.unlink()
    await store.submit(make_job(1))
    assert await store.get("job_000001") == make_job(1)
    await store.close()


async def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_text("a text of somebody's" * 1000)
    store = SqliteStore(path, wait_seconds=LONG_SECONDS)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await store.open()
    await store.close()
    assert path.read_text() == "a text of somebody's" * 1000


async def test_an_error_of_the_program_is_not_the_stores(tmp_path: Path) -> None:
    async with opened(tmp_path / "jobs.db") as store:
        with pytest.raises(sqlite3.ProgrammingError):
            await store.get(object())  # type: ignore[arg-type]
        await store.ping()
