"""Counters and ledgers of each kind, as fixtures. Test modules name this one in `pytest_plugins`; nobody imports it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from endpoint.access.counters import Counters
from endpoint.access.counters_redis import redis_counters
from endpoint.access.counters_sqlite import sqlite_counters
from endpoint.access.usage import Ledger
from endpoint.access.usage_redis import RedisLedger
from endpoint.access.usage_sqlite import SqliteLedger

WAIT_SECONDS = 60.0  # tests of other things do not fail because the machine is busy


@pytest.fixture(params=["sqlite", "redis"])
def counters_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Counters]:
    """Each call is another process' counters of the same store."""
    if request.param == "sqlite":
        return lambda: sqlite_counters(tmp_path / "limits.db", wait_seconds=WAIT_SECONDS)
    url, prefix = request.getfixturevalue("redis_url"), f"test-{uuid.uuid4().hex}"
    return lambda: redis_counters(url, prefix)


@pytest.fixture
async def counters(counters_factory: Callable[[], Counters]) -> AsyncIterator[Counters]:
    made = counters_factory()
    yield made
    await made.close()


@pytest.fixture(params=["sqlite", "redis"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    numbers = itertools.count()
    made: Ledger
    if request.param == "sqlite":
        made = SqliteLedger(tmp_path / f"{next(numbers)}.db", wait_seconds=WAIT_SECONDS)
    else:
        made = RedisLedger(request.getfixturevalue("redis_url"), f"test-{uuid.uuid4().hex}")
    await made.open()
    yield made
    await made.close()
