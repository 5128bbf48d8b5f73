"""What was looked up is trusted for a while, and no longer: endpoint.access.cache."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.access import cache
from endpoint.access.cache import Cache
from tests.access_support import Moment


class Source:
    """Counts look-ups, which wait for its gate."""

    def __init__(self) -> None:
        self.looked = 0
        self.looking = asyncio.Event()
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def look(self) -> int:
        self.looked += 1
        self.looking.set()
        found = self.looked
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return found


async def test_an_entry_is_trusted_until_its_time_is_over() -> None:
    source, clock = Source(), Moment()
    source.gate.set()
    kept = Cache[int](5.0, clock)
    assert [await kept.get("a", source.look), await kept.get("a", source.look)] == [1, 1]
    clock.now += 4.99
    assert await kept.get("a", source.look) == 1
    clock.now += 0.01
    assert await kept.get("a", source.look) == 2
    assert await kept.get("b", source.look) == 3
    kept.clear()
    assert await kept.get("a", source.look) == 4


async def test_its_time_counts_from_before_it_was_looked_up() -> None:
    source, clock = Source(), Moment()
    kept = Cache[int](5.0, clock)
    first = asyncio.create_task(kept.get("a", source.look))
    await source.looking.wait()
    clock.now += 5
    source.gate.set()
    assert await first == 1
    assert await kept.get("a", source.look) == 2


async def test_many_at_once_make_one_look_up_whoever_leaves() -> None:
    source = Source()
    kept = Cache[int](60.0)
    waiting = [asyncio.create_task(kept.get("a", source.look)) for _ in range(20)]
    await source.looking.wait()
    waiting.pop(0).cancel()
    source.gate.set()
    assert set(await asyncio.gather(*waiting)) == {1}
    assert source.looked == 1


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    source = Source()
    source.failure = OSError("gone")
    kept = Cache[int](60.0)
    waiting = [asyncio.create_task(kept.get("a", source.look)) for _ in range(3)]
    source.gate.set()
    assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [OSError] * 3
    source.failure = None
    assert await kept.get("a", source.look) == 2


async def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST", 2)
    source = Source()
    source.gate.set()
    kept = Cache[int](60.0)
    for name in ("a", "b", "c"):
        await kept.get(name, source.look)
    assert [await kept.get(name, source.look) for name in ("c", "b", "a")] == [3, 2, 4]
