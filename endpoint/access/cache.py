"""What was looked up, trusted for a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 10_000  # entries


class Cache(Generic[T]):
    """seconds: how long an entry is trusted, counted from before it was looked up. Many at once make one look-up."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._entries = OrderedDict[str, tuple[float, asyncio.Future[T]]]()

    async def get(self, name: str, look: Callable[[], Awaitable[T]]) -> T:
        """Raises what `look` raises; that is not kept."""
        now = self._clock()
        found = self._entries.get(name)
        if found is None or found[0] <= now:
            found = (now + self._seconds, asyncio.ensure_future(look()))
            found[1].add_done_callback(lambda done: self._drop_failed(name, done))
            self._entries[name] = found
            self._entries.move_to_end(name)
            if len(self._entries) > MOST:
                self._entries.popitem(last=False)
        return await asyncio.shield(found[1])  # one that is cancelled does not take it from the others

    def clear(self) -> None:
        self._entries.clear()

    def _drop_failed(self, name: str, done: asyncio.Future[T]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed and name in self._entries and self._entries[name][1] is done:
            del self._entries[name]
