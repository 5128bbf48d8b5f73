"""Windows of jobs give way to those of live requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LEAST = 2  # windows of jobs that are decoded however many live ones there are: jobs go on under steady load


class Gate:
    """Of one engine. live, background: windows being decoded for each."""

    def __init__(self, least: int = LEAST) -> None:
        self._least = least
        self.live = self.background = 0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def window(self, background: bool) -> AsyncIterator[None]:
        """Decode one window inside. One of a job waits while live windows are decoded and enough of jobs are, too."""
        if not background:
            self.live += 1
            try:
                yield
            finally:
                self.live -= 1
                self._wake()
            return
        while self.live and self.background >= self._least:
            await self._changed.wait()
        self.background += 1
        try:
            yield
        finally:
            self.background -= 1
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
