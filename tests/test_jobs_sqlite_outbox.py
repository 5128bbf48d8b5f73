"""Webhooks of senders that are late, and of jobs that are gone: endpoint.jobs.sqlite_outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from endpoint.jobs.job import Delivery
from endpoint.jobs.sqlite import SqliteStore
from tests.jobs_support import Clock, make_job


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "jobs.db", clock=clock, result_seconds=1000.0, wait_seconds=60.0)
    await made.open()
    yield made
    await made.close()


async def deleted(store: SqliteStore) -> Delivery:
    await store.submit(make_job(1, callback_url="https://example.test/hook"))
    await store.delete("job_000001")
    (delivery,) = await store.take_deliveries("sender")
    return delivery


async def test_each_attempt_is_counted_once(store: SqliteStore, clock: Clock) -> None:
    delivery = await deleted(store)
    await store.not_delivered(delivery, "HTTP 500", clock.now)
    (second,) = await store.take_deliveries("other")
    await store.not_delivered(delivery, "late", None)  # of a sender whose lease had ended
    assert await store.failed_deliveries() == []
    assert await store.take_deliveries("sender") == []  # the other's lease holds
    assert (second.attempts, second.failed) == (1, "HTTP 500")


async def test_a_failed_one_goes_when_its_job_is_long_gone(store: SqliteStore, clock: Clock) -> None:
    await store.not_delivered(await deleted(store), "HTTP 500", None)
    clock.now += 999
    await store.sweep()
    assert len(await store.failed_deliveries()) == 1
    clock.now += 2
    await store.sweep()
    assert (await store.sizes())["outbox"] == 0
