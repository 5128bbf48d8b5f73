"""What jobs come to, in the ledger and by limits: endpoint.jobs.account."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from endpoint.access.counters_sqlite import sqlite_counters
from endpoint.access.limits import Limiter
from endpoint.access.usage import Ledger, UsageRow
from endpoint.access.usage_redis import RedisLedger
from endpoint.access.usage_sqlite import SqliteLedger
from endpoint.jobs.account import settle, usage_row
from endpoint.jobs.job import MOST_LOST, Job, JobFile, Status
from endpoint.jobs.redis import RedisStore
from endpoint.jobs.sqlite import SqliteStore
from endpoint.jobs.store import JobStore
from endpoint.options import Options, Task
from tests.jobs_support import Clock, make_job, succeeded

NOW = 1_700_000_000.0


@pytest.fixture(params=["sqlite", "redis"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A store of jobs and the ledger in it."""
    store: JobStore
    ledger: Ledger
    clock = Clock()
    if request.param == "sqlite":
        path = tmp_path / "jobs.db"
        store, ledger = SqliteStore(path, clock, wait_seconds=60), SqliteLedger(path, 60)
    else:
        url, prefix = request.getfixturevalue("redis_url"), f"test-{tmp_path.name}-{id(tmp_path)}"
        store, ledger = RedisStore(url, clock, prefix=prefix), RedisLedger(url, prefix)
    await store.open()
    await ledger.open()
    yield store, ledger, clock
    await store.close()
    await ledger.close()


async def claimed(store: JobStore) -> Any:
    claim = await store.claim("worker")
    assert claim is not None
    return claim


async def test_a_job_that_succeeded_is_in_the_ledger_once(stores: Any) -> None:
    store, ledger, clock = stores
    await store.submit(make_job(1, model="base", caller="alice", options=Options(task=Task.TRANSLATE)))
    claim = await claimed(store)
    assert await ledger.days("0001-01-01", "9999-12-31") == []
    await store.finish(claim, succeeded(claim.job, 50_001), {0: b"result"})
    row = UsageRow("job_000001", "alice", "base", "translate", 50_001, 51, clock.now)
    once = await ledger.days("0001-01-01", "9999-12-31")
    assert [(day.day, day.key, day.requests, day.audio_ms) for day in once] == [("2023-11-14", "alice", 1, 50_001)]
    await ledger.add([row])  # and whoever counts it again
    assert await ledger.days("0001-01-01", "9999-12-31") == once
    await store.delete("job_000001")
    assert await ledger.days("0001-01-01", "9999-12-31") == once


async def test_workers_that_are_lost_count_nothing(stores: Any) -> None:
    store, ledger, clock = stores
    await store.submit(make_job(1))
    for _ in range(MOST_LOST - 1):
        await claimed(store)
        clock.now += 31
        await store.sweep()
    claim = await claimed(store)
    await store.finish(claim, succeeded(claim.job), {0: b"result"})
    (day,) = await ledger.days("0001-01-01", "9999-12-31")
    assert (day.requests, day.audio_ms) == (1, 50_000)
    await store.submit(make_job(2))
    await store.cancel("job_000002")
    await store.submit(make_job(3))
    for _ in range(MOST_LOST):
        await claimed(store)
        clock.now += 31
        await store.sweep()
    assert (await ledger.days("0001-01-01", "9999-12-31"))[0].requests == 1


def files(*made: tuple[int, Status]) -> tuple[JobFile, ...]:
    return tuple(JobFile("a", "b", guess_ms=60_000, duration_ms=ms, status=status) for ms, status in made)


def test_files_that_failed_cost_nothing() -> None:
    some = files((10_001, Status.SUCCEEDED), (99_000, Status.FAILED), (1, Status.SUCCEEDED))
    row = usage_row(make_job(1, files=some, status=Status.SUCCEEDED, finished_at=NOW))
    assert row is not None
    assert (row.audio_ms, row.billed_seconds) == (10_002, 12)
    assert usage_row(make_job(1, files=some, status=Status.FAILED)) is None


@pytest.mark.parametrize(("status", "left_ms"), [(Status.SUCCEEDED, 50_000), (Status.FAILED, 0), (Status.CANCELLED, 0)])
async def test_what_was_reserved_is_corrected_once(tmp_path: Path, status: Status, left_ms: int) -> None:
    counters = sqlite_counters(tmp_path / "limits.db", wait_seconds=60)
    limiter = Limiter(lambda: counters)
    await counters.add("month", 60_000, 1_000)
    job: Job = replace(succeeded(make_job(1, reserved=("month",))), status=status)
    for _ in range(2):
        await settle(limiter, job)
    assert await counters.sums(["month"]) == [left_ms]
    await limiter.close()


async def test_a_store_that_is_unavailable_ends_no_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    limiter = Limiter(lambda: sqlite_counters(tmp_path / "file" / "limits.db"))
    await settle(limiter, make_job(1, reserved=("month",), status=Status.FAILED))
    await limiter.close()
