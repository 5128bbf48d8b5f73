"""Windows of jobs give way to those of live sessions and requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from endpoint.admission import Urgency

LEAST = 2  # windows of jobs that are decoded however many others there are: jobs go on under steady load


class Gate:
    """Of one engine. decoding: windows being decoded, by their urgency."""

    def __init__(self, least: int = LEAST) -> None:
        self._least = least
        self.decoding = Counter[Urgency]()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def window(self, urgency: Urgency) -> AsyncIterator[None]:
        """Decode one window inside. One of a job waits while others are decoded and enough of jobs are, too."""
        while urgency is Urgency.JOB and self._busy():
            await self._changed.wait()
        self.decoding[urgency] += 1
        try:
            yield
        finally:
            self.decoding[urgency] -= 1
            self._wake()

    def _busy(self) -> bool:
        jobs = self.decoding[Urgency.JOB]
        return jobs >= self._least and self.decoding.total() > jobs

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
