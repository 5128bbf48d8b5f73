"""How many passes over live sound are under way at once, and when the next interim one may begin. One event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from endpoint.types import SAMPLE_RATE

EVERY = SAMPLE_RATE // 2  # samples of new sound between two interim passes of a session
EVERY_QUEUED = SAMPLE_RATE  # the same while other sessions wait for their pass


class Pace:
    """Of all sessions of a process. Finals never wait here; interim passes wait for them, and for each other in turn.

    most: passes under way, finals included, up to which an interim pass may begin.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._waiting = deque[asyncio.Future[None]]()

    @property
    def every(self) -> int:
        """Samples of new sound that an interim pass should have."""
        return EVERY_QUEUED if self._waiting else EVERY

    @contextmanager
    def final(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._release()

    @asynccontextmanager
    async def interim(self) -> AsyncIterator[None]:
        if self._busy < self._most and not self._waiting:
            self._busy += 1
        else:
            await self._turn()
        try:
            yield
        finally:
            self._release()

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # it came at the same moment
            raise

    def _release(self) -> None:
        self._busy -= 1
        while self._waiting and (self._busy < self._most or self._waiting[0].done()):
            turn = self._waiting.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)
