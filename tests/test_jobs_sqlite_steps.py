"""What concerns the file alone: endpoint.jobs.sqlite_steps."""

from __future__ import annotations

import time
from pathlib import Path

from endpoint.jobs.job import Status
from endpoint.jobs.sqlite import SqliteStore
from endpoint.jobs.sqlite_rows import Step
from endpoint.jobs.sqlite_schema import make_tables
from endpoint.jobs.sqlite_steps import LEAST, LISTS
from endpoint.stores.sqlite import connect
from tests.jobs_support import Clock, make_job, succeeded


async def test_the_file_gets_small_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "jobs.db", Clock()
    store = SqliteStore(path, clock=clock, result_seconds=10.0, wait_seconds=60.0)
    await store.open()
    for number in range(40):
        await store.submit(make_job(number))
        claim = await store.claim("worker")
        assert claim is not None
        await store.finish(claim, succeeded(claim.job), {0: b"x" * 200_000})
    await store.close()
    assert path.stat().st_size > 8_000_000
    clock.now += 11
    await store.open()
    for _ in range(4):
        await store.sweep()
    await store.close()
    assert path.stat().st_size < 500_000


def test_nothing_looks_at_every_job(tmp_path: Path) -> None:
    """Jobs are searched by their indices, callers in the order of their work."""
    connection = connect(tmp_path / "jobs.db", time.monotonic() + 60, make_tables)
    step = Step(connection, 0.0, 0.0)
    queries = [
        (LEAST, (Status.QUEUED.value, Status.RUNNING.value)),
        ("SELECT document FROM jobs WHERE status = ? AND caller = ? ORDER BY priority, id LIMIT 1", ("queued", "a")),
        ("SELECT document FROM jobs WHERE expires_at <= ? ORDER BY expires_at LIMIT ?", (0.0, 1)),
        ("SELECT document FROM jobs WHERE lease_until <= ? ORDER BY lease_until LIMIT ?", (0.0, 1)),
        (LISTS[False, "desc"], {"caller": "a", "status": None, "after": None, "limit": 1}),
    ]
    for query, values in queries:
        plan = [row[3] for row in step.db.execute(f"EXPLAIN QUERY PLAN {query}", values)]
        assert not [line for line in plan if "TEMP B-TREE" in line or line == "SCAN jobs"], plan
    connection.close()
