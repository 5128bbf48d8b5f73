"""Concurrent work that fails as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from traceback import clear_frames
from typing import Any, TypeVar

T = TypeVar("T")


class Slots:
    """Limits how many work at once: `first` at the beginning, one more for each release, up to `most`."""

    def __init__(self, first: int, most: int) -> None:
        self._free = asyncio.Semaphore(first)
        self._more = most - first

    async def acquire(self) -> None:
        await self._free.acquire()

    def release(self) -> None:
        self._free.release()
        if self._more > 0:
            self._more -= 1
            self._free.release()


async def done_anyway(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. A caller that is cancelled meanwhile waits for its end first; what it raises is lost then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in order. The first failure cancels the rest and is raised as it is."""
    results = list[T]()

    async def take(result: T) -> None:
        results.append(result)

    await in_order(work, take)
    return results


async def in_order(work: Iterable[Coroutine[Any, Any, T]], take: Callable[[T], Awaitable[None]]) -> None:
    """Run concurrently; `take` gets the results in order. The first failure, of `take` too, cancels the rest.

    Work that ends early lets go of what it held, such as the samples of a recording: its frames hold tasks, these their
    exception, and that the frames, until Python looks for such cycles.
    """
    try:
        await _in_group(work, take)
    except BaseException as error:
        clear_frames(error.__traceback__)
        raise


async def _in_group(work: Iterable[Coroutine[Any, Any, T]], take: Callable[[T], Awaitable[None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for task in [group.create_task(item) for item in work]:
                await take(await task)
        return
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        clear_frames(failures.__traceback__)
    raise first  # not above, where the group would be its context


async def produced(work: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]) -> AsyncGenerator[T, None]:
    """Yields what `work` passes to the function it is given. Closing the generator cancels and awaits `work`.

    A failure of `work` is raised after the items before it.
    """
    async with aclosing(produced_lists(work)) as lists:
        async for items in lists:
            for item in items:
                yield item


async def produced_lists(
    work: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[list[T], None]:
    """As `produced`, with all items that are there at once in a list."""
    items, more = list[T](), asyncio.Event()

    def take(item: T) -> None:
        items.append(item)
        more.set()

    working = asyncio.ensure_future(work(take))
    working.add_done_callback(lambda _: more.set())
    try:
        while not working.done() or items:
            await more.wait()
            more.clear()
            if items:
                there, items[:] = list(items), []
                yield there
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        del working  # has its exception, which has this frame
