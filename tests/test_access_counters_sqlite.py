"""What is forgotten, and when: endpoint.access.counters_sqlite."""

from __future__ import annotations

from pathlib import Path

import pytest

from endpoint.access.counters_sqlite import SqliteStorage, sqlite_counters
from endpoint.errors import StoreUnavailable
from tests.jobs_support import Clock


async def test_a_hit_counts_for_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    counters = sqlite_counters(tmp_path / "limits.db", clock, 60)
    began = clock.now
    assert await counters.hit("a", 2) == (True, 1, began + 60)
    clock.now += 30
    assert await counters.hit("a", 2) == (True, 0, began + 60)
    assert await counters.hit("a", 2) == (False, 0, began + 60)
    clock.now += 30
    assert await counters.hit("a", 2) == (True, 0, began + 90)
    await counters.close()


async def test_sums_outlive_the_process_and_are_forgotten_in_time(tmp_path: Path) -> None:
    clock = Clock()
    first = sqlite_counters(tmp_path / "limits.db", clock, 60)
    await first.add("a", 5, 100)
    await first.close()
    second = sqlite_counters(tmp_path / "limits.db", clock, 60)
    clock.now += 99
    assert await second.sums(["a"]) == [5]
    clock.now += 1
    assert await second.sums(["a"]) == [0]
    assert await second.add("a", 3, 100) == 3
    await second.close()


async def test_it_is_a_whole_storage(tmp_path: Path) -> None:
    """As the package defines one."""
    clock = Clock()
    storage = SqliteStorage(tmp_path / "limits.db", clock, 60)
    assert await storage.check()
    assert await storage.get_expiry("a") == clock.now
    await storage.incr("a", 50)
    assert await storage.get_expiry("a") == clock.now + 50
    assert await storage.acquire_entry("b", 3, 60, amount=2)
    assert not await storage.acquire_entry("b", 3, 60, amount=2)
    await storage.clear("b")
    assert await storage.get_moving_window("b", 3, 60) == (clock.now, 0)
    assert await storage.reset() == 1
    assert await storage.get("a") == 0
    await storage.file.close()


async def test_a_folder_that_cannot_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    counters = sqlite_counters(tmp_path / "file" / "limits.db")
    with pytest.raises(StoreUnavailable):
        await counters.hit("a", 1)
    await counters.close()
