import asyncio
import gc
import weakref

import pytest

from endpoint.tasks import Slots, done_anyway, in_order, produced, produced_lists, together


async def test_results_come_in_order():
    async def late(value: int) -> int:
        await asyncio.sleep((3 - value) * 0.001)
        return value

    assert await together(late(k) for k in range(3)) == [0, 1, 2]


async def test_the_first_failure_cancels_the_rest_and_is_raised_as_it_is():
    cancelled = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fails() -> None:
        raise KeyError("this one")

    with pytest.raises(KeyError, match="this one"):
        await together([waits(), fails()])
    assert cancelled.is_set()


async def test_results_are_taken_in_order_as_soon_as_they_can_be():
    taken, second = [], asyncio.Event()

    async def work(value: int) -> int:
        if value == 2:
            await second.wait()
        return value

    async def take(value: int) -> None:
        taken.append(value)
        if value == 1:
            second.set()  # which waits for this one to be taken, not for all to be done

    await in_order((work(k) for k in range(4)), take)
    assert taken == [0, 1, 2, 3]


@pytest.mark.parametrize("where", ["work", "take"])
async def test_a_failure_of_either_cancels_the_rest(where):
    cancelled = asyncio.Event()

    async def work(value: int) -> int:
        if value == 0:
            if where == "work":
                raise KeyError("this one")
            return value
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return value

    async def take(value: int) -> None:
        await asyncio.sleep(0)
        raise KeyError("this one")

    with pytest.raises(KeyError, match="this one"):
        await in_order(map(work, range(3)), take)
    assert cancelled.is_set()


async def test_slots_grow_with_what_is_done():
    slots, running, most = Slots(1, 4), 0, []

    async def work() -> None:
        nonlocal running
        await slots.acquire()
        running += 1
        most.append(running)
        await asyncio.sleep(0.001)
        running -= 1
        slots.release()

    await together(work() for _ in range(40))
    assert most[0] == 1
    assert max(most[:3]) <= 3
    assert max(most) == 4


async def test_what_is_produced_comes_in_order_and_then_its_failure():
    async def work(emit) -> None:
        for item in (1, None, 2):
            emit(item)
            await asyncio.sleep(0)
        raise KeyError("at the end")

    items = produced(work)
    assert [await anext(items) for _ in range(3)] == [1, None, 2]
    with pytest.raises(KeyError, match="at the end"):
        await anext(items)


async def test_closing_ends_what_produces():
    ended = asyncio.Event()

    async def work(emit) -> None:
        emit(1)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    items = produced(work)
    assert await anext(items) == 1
    await items.aclose()
    assert ended.is_set()


async def test_what_is_there_at_once_comes_in_one_list():
    async def work(emit) -> None:
        emit(1)
        emit(2)
        await asyncio.sleep(0)
        emit(3)
        raise KeyError("at the end")

    lists = produced_lists(work)
    first, *others = await anext(lists)
    while len(others) < 2:
        others += await anext(lists)
    assert (first, others) == (1, [2, 3])
    with pytest.raises(KeyError, match="at the end"):
        await anext(lists)


async def test_work_is_done_although_its_caller_is_cancelled():
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> int:
        begun.set()
        await go_on.wait()
        ended.set()
        return 3

    caller = asyncio.create_task(done_anyway(work()))
    await begun.wait()
    caller.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()
    assert await done_anyway(work()) == 3


@pytest.mark.parametrize("ends", ["cancelled", "failed"])
async def test_what_work_held_is_let_go_when_it_ends_early(ends: str):
    class Samples:
        pass

    begun = asyncio.Event()

    async def one(samples: Samples) -> None:
        begun.set()
        if ends == "failed":
            raise KeyError("this one")
        await asyncio.Event().wait()

    async def ignore(_: None) -> None:
        pass

    async def request(samples: Samples) -> None:
        await in_order((one(samples) for _ in range(2)), ignore)

    held = Samples()
    gone = weakref.ref(held)
    gc.collect()
    gc.disable()
    try:
        task = asyncio.create_task(request(held))
        del held
        await begun.wait()
        if ends == "cancelled":
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        del task
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()
