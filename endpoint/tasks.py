"""Concurrent work that fails as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
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
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(item) for item in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def in_order(work: Iterable[Coroutine[Any, Any, T]], take: Callable[[T], Awaitable[None]]) -> None:
    """Run concurrently; `take` gets the results in order. The first failure, of `take` too, cancels the rest."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in [group.create_task(item) for item in work]:
                await take(await task)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


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
