"""Finals never wait; interim passes wait for them and for each other, in turn."""

from __future__ import annotations

import asyncio

from endpoint.live.pace import EVERY, EVERY_QUEUED, Pace


async def hold(pace: Pace, name: str, order: list[str], gate: asyncio.Event) -> None:
    async with pace.interim():
        order.append(name)
        await gate.wait()


async def begun(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_interim_passes_wait_in_turn():
    pace, order, gate = Pace(1), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(pace, name, order, gate)) for name in "abc"]
    await begun()
    assert order == ["a"]
    assert pace.every == EVERY_QUEUED
    gate.set()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    assert pace.every == EVERY


async def test_finals_go_first():
    pace, order, gate = Pace(2), list[str](), asyncio.Event()
    with pace.final(), pace.final(), pace.final():
        task = asyncio.create_task(hold(pace, "interim", order, gate))
        await begun()
        assert order == []
    gate.set()
    await task
    assert order == ["interim"]


async def test_who_gives_up_leaves_no_gap():
    pace, order, gate = Pace(1), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(pace, name, order, gate)) for name in "abcd"]
    await begun()
    tasks[1].cancel()
    tasks[0].cancel()  # its slot goes to the next one that still waits
    await begun()
    assert order == ["a", "c"]
    tasks[2].cancel()
    await begun()
    assert order == ["a", "c", "d"]
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with pace.interim():
        pass


async def test_who_gives_up_as_its_turn_comes_passes_it_on():
    pace, order, gate = Pace(1), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(pace, name, order, gate)) for name in "abc"]
    await begun()
    tasks[0].cancel()
    await asyncio.sleep(0)
    tasks[1].cancel()
    await begun()
    assert order[-1] == "c"
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
