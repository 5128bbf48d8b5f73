"""What every store of counters does: endpoint.access.counters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from endpoint.access.counters import Counters

pytest_plugins = ["tests.access_contract"]


async def test_a_minute_has_as_many_hits_as_its_limit(counters: Counters) -> None:
    found = [await counters.hit("a", 3) for _ in range(5)]
    assert [admitted for admitted, _, _ in found] == [True, True, True, False, False]
    assert [left for _, left, _ in found] == [2, 1, 0, 0, 0]
    assert 0 < found[-1][2] - time.time() <= 61  # when the first of them is a minute old
    assert (await counters.hit("b", 3))[:2] == (True, 2)


async def test_two_processes_admit_no_more_than_one(counters_factory: Callable[[], Counters]) -> None:
    processes = [counters_factory() for _ in range(2)]
    found = await asyncio.gather(*(processes[number % 2].hit("a", 50) for number in range(150)))
    assert sum(admitted for admitted, _, _ in found) == 50
    for process in processes:
        await process.close()


async def test_sums_are_added_and_taken_back(counters: Counters) -> None:
    assert await counters.add("a", 5, 100) == 5
    assert await counters.add("a", 7, 100) == 12
    assert await counters.add("a", -10, 100) == 2
    assert await counters.sums(["a", "none", "a"]) == [2, 0, 2]


async def test_there_are_so_many_slots(counters: Counters) -> None:
    assert await counters.slots.enter("a", "one", 2, 60)
    assert await counters.slots.enter("a", "two", 2, 60)
    assert not await counters.slots.enter("a", "three", 2, 60)
    assert await counters.slots.enter("a", "two", 2, 60)  # it is held longer
    assert await counters.slots.enter("b", "three", 2, 60)
    await counters.slots.leave("a", "one")
    await counters.slots.leave("a", "none")
    assert await counters.slots.enter("a", "three", 2, 60)


async def test_a_slot_of_a_killed_process_is_free_later(counters: Counters) -> None:
    assert await counters.slots.enter("a", "one", 1, 0.05)
    while not await counters.slots.enter("a", "two", 1, 60):  # noqa: ASYNC110 - time passes
        await asyncio.sleep(0.01)
    assert not await counters.slots.enter("a", "three", 1, 60)


async def test_many_ask_for_the_last_slot(counters_factory: Callable[[], Counters]) -> None:
    processes = [counters_factory() for _ in range(2)]
    asked = (processes[number % 2].slots.enter("a", f"{number}", 5, 60) for number in range(40))
    assert sum(await asyncio.gather(*asked)) == 5
    for process in processes:
        await process.close()
