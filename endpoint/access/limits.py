"""Limits of a caller and model: reserved before the work, corrected after it, refunded where it came to nothing.

Requests are counted in a minute that moves; for audio see endpoint.access.audio_limits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from functools import cached_property

from endpoint.access.audio_limits import MONTH_SECONDS
from endpoint.access.charge import Charge, Meter
from endpoint.access.counters import Counters
from endpoint.caller import Caller, Limits
from endpoint.errors import RateLimited

BUSY_SECONDS = 1  # until a slot may be free: requests take about so long
LIVE_SECONDS = 60.0  # a live session that is not renewed for so long is over


class Limiter:
    """counters: made when a limit is first counted. defaults: where a caller has no limit of its own.

    meter: gets what was transcribed; None: nobody wants to know. hold_seconds: longest that a request takes.
    """

    def __init__(
        self,
        counters: Callable[[], Counters],
        defaults: Limits | None = None,
        meter: Meter | None = None,
        hold_seconds: float = 660.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make, self._defaults = counters, defaults or Limits()
        self.meter, self.hold_seconds, self.clock = meter, hold_seconds, clock

    @cached_property
    def counters(self) -> Counters:
        return self._make()

    async def close(self) -> None:
        if "counters" in self.__dict__:
            await self.counters.close()

    def limits_of(self, caller: Caller) -> Limits:
        """Its own, and the defaults where it has none."""
        own = {one.name: getattr(caller.limits, one.name) for one in fields(Limits)}
        return replace(self._defaults, **{name: value for name, value in own.items() if value is not None})

    def charge(self, caller: Caller, request_id: str) -> Charge:
        """What one request is charged. Nothing is reserved yet."""
        return Charge(self, caller, request_id, self.limits_of(caller))

    async def settle(self, name: str, keys: Sequence[str], change_ms: int) -> None:
        """Correct what was reserved under these keys, once for each name. Raises StoreUnavailable."""
        if keys and await self.counters.add(f"settled/{name}", 1, MONTH_SECONDS) == 1:
            for key in keys:
                await self.counters.add(key, change_ms, MONTH_SECONDS)

    @asynccontextmanager
    async def live(self, caller: Caller, model: str, session: str) -> AsyncIterator[None]:
        """Hold one of the caller's live sessions. Raises RateLimited."""
        most, key = self.limits_of(caller).live_sessions, f"{caller.id}/{model}/live"
        if most is None:
            yield
            return
        if not await self.counters.slots.enter(key, session, most, LIVE_SECONDS):
            raise RateLimited(f"The caller has {most} live sessions already, its limit.", retry_after=BUSY_SECONDS)
        renewing = asyncio.create_task(self._renew(key, session, most))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self.counters.slots.leave(key, session)

    async def _renew(self, key: str, session: str, most: int) -> None:
        while True:
            await asyncio.sleep(LIVE_SECONDS / 3)
            await self.counters.slots.enter(key, session, most, LIVE_SECONDS)
