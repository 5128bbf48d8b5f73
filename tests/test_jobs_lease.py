"""Claims kept alive beside busy work: endpoint.jobs.lease."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from endpoint.jobs.job import Claim, Status
from endpoint.jobs.lease import Leases
from endpoint.jobs.sqlite import SqliteStore
from endpoint.jobs.store import LEASE_SECONDS
from tests.jobs_support import make_job

LEASE = 1.5  # seconds: renewed every half


async def claimed(path: Path, seconds: float = LEASE_SECONDS) -> tuple[SqliteStore, Claim]:
    """A store with one job, which is ours."""
    store = SqliteStore(path, wait_seconds=30)
    await store.open()
    await store.submit(make_job(1))
    claim = await store.claim("me", seconds)
    assert claim is not None
    return store, claim


async def test_a_claim_is_renewed_although_the_event_loop_is_busy(tmp_path: Path) -> None:
    path, lost = tmp_path / "jobs.db", list[str]()
    store, claim = await claimed(path, LEASE)
    leases = Leases(lambda: SqliteStore(path, wait_seconds=30), lost.append, LEASE)
    leases.start()
    leases.hold(claim)
    time.sleep(2 * LEASE)  # noqa: ASYNC251 - the loop is busy
    renewed = await store.renew(claim, LEASE)  # it is still ours, or this raises LostClaim
    assert renewed.until > claim.until
    await store.sweep()
    found = await store.get(claim.job.id)
    assert found is not None
    assert found.status is Status.RUNNING
    await leases.close()
    await store.close()
    assert lost == []


async def test_who_loses_the_claim_is_called(tmp_path: Path) -> None:
    path, lost = tmp_path / "jobs.db", list[str]()
    store, claim = await claimed(path)
    leases = Leases(lambda: SqliteStore(path, wait_seconds=30), lost.append, 0.1)
    leases.start()
    leases.hold(claim)
    await store.cancel(claim.job.id)
    while not lost:  # noqa: ASYNC110 - it is called from another thread
        await asyncio.sleep(0.01)
    assert lost == [claim.job.id]
    await leases.close()
    await store.close()


async def test_a_claim_that_is_dropped_is_left_alone(tmp_path: Path) -> None:
    path, lost = tmp_path / "jobs.db", list[str]()
    store, claim = await claimed(path)
    leases = Leases(lambda: SqliteStore(path, wait_seconds=30), lost.append, 0.05)
    leases.hold(claim)
    leases.drop(claim.job.id)
    leases.start()
    await store.cancel(claim.job.id)
    await asyncio.sleep(0.2)
    await leases.close()
    await store.close()
    assert lost == []
