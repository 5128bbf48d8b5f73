"""What limits are counted in: a storage of the package `limits`, and slots for what is under way.

The package has rates and no slots. A slot is held under a name until it is left, or its time is over: of a process that
was killed, nothing is held for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter


class Slots(Protocol):
    """Raises StoreUnavailable within 2 s."""

    async def close(self) -> None: ...

    async def enter(self, key: str, name: str, limit: int, seconds: float) -> bool:
        """Take one of `limit` slots for so long; with the same name again, hold it longer. False: all are taken."""
        ...

    async def leave(self, key: str, name: str) -> None: ...


@dataclass(frozen=True)
class Counters:
    """All processes that have the same storage count together. Raises StoreUnavailable within 2 s."""

    storage: Storage
    slots: Slots

    async def close(self) -> None:
        await self.slots.close()

    async def hit(self, key: str, limit: int) -> tuple[bool, int, float]:
        """One more of at most `limit` within any minute: (whether it may be, how many are left, when one is more).

        The time is in seconds since 1970.
        """
        item, window = RateLimitItemPerMinute(limit), MovingWindowRateLimiter(self.storage)
        admitted = await window.hit(item, key)
        stats = await window.get_window_stats(item, key)
        return admitted, max(0, stats.remaining), stats.reset_time

    async def add(self, key: str, amount: int, seconds: int) -> int:
        """The sum under a key, which is forgotten after so many seconds. amount: may be negative."""
        return await self.storage.incr(key, seconds, amount)

    async def sums(self, keys: Sequence[str]) -> list[int]:
        """0 where there is none."""
        return list(await asyncio.gather(*(self.storage.get(key) for key in keys)))
