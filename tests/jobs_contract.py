"""A store of jobs of each kind, as fixtures. Test modules name this one in `pytest_plugins`; nobody imports it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from endpoint.jobs.redis import RedisStore
from endpoint.jobs.sqlite import SqliteStore
from endpoint.jobs.store import JobStore
from tests.jobs_support import Clock, StoreFactory

WAIT_SECONDS = 60.0  # tests of other things do not fail because the machine is busy


@pytest.fixture(params=["sqlite", "redis"])
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    numbers = itertools.count()
    if request.param == "sqlite":
        return lambda **options: SqliteStore(tmp_path / f"{next(numbers)}.db", wait_seconds=WAIT_SECONDS, **options)
    url = request.getfixturevalue("redis_url")
    request.getfixturevalue("patient_redis")
    return lambda **options: RedisStore(url, prefix=f"test-{uuid.uuid4().hex}", **options)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(store_factory: StoreFactory, clock: Clock) -> AsyncIterator[JobStore]:
    made = store_factory(clock=clock, result_seconds=1000.0)
    await made.open()
    yield made
    await made.close()
