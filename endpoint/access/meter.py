"""Writes usage to the ledger: many rows at once, while requests go on.

A row is in the journal before its response is sent, and in the ledger a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from endpoint.access.journal import Journal
from endpoint.access.usage import Ledger, UsageRow
from endpoint.errors import StoreUnavailable

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.05  # that rows are gathered for
RETRY_SECONDS = 1.0  # until a ledger that is unavailable is tried again
AT_ONCE = 500  # rows


class LedgerMeter:
    """A Meter. folder: of the journal."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self._folder = folder
        self._journal: Journal | None = None
        self._rows = list[UsageRow]()
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        try:
            self._journal = Journal(self._folder)
        except OSError as error:
            log.warning("usage has no journal: a kill can lose its last rows", folder=str(self._folder), why=str(error))
        self._writing = asyncio.create_task(self._write(), name="usage")

    def add(self, row: UsageRow) -> None:
        self._rows.append(row)
        self._some.set()
        self._none.clear()
        if self._journal is not None:
            try:
                self._journal.write([row])
            except OSError as error:
                log.error("usage not in its journal", why=str(error))

    async def flushed(self, seconds: float = 2.0) -> None:
        """Until the ledger has all rows of this process, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()

    async def close(self, seconds: float = 5.0) -> None:
        """Write what is left. Where the ledger does not take it in time, the journal keeps it for the next start."""
        await self.flushed(seconds)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._rows:
            log.error("usage is not in the ledger", rows=len(self._rows), journal=self._journal is not None)
        if self._journal is not None:
            self._journal.close()
        await self.ledger.close()

    async def _write(self) -> None:
        await self._again(self._take_over)
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_SECONDS)
            await self._again(self._write_some)

    async def _again(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await self.ledger.open()
                return await step()
            except StoreUnavailable as error:
                log.warning("usage not written yet", rows=len(self._rows), why=error.message)
                await asyncio.sleep(RETRY_SECONDS)

    async def _write_some(self) -> None:
        some = self._rows[:AT_ONCE]
        await self.ledger.add(some)
        del self._rows[: len(some)]
        if self._journal is not None:
            self._journal.keep(self._rows)
        if not self._rows:
            self._some.clear()
            self._none.set()

    async def _take_over(self) -> None:
        """What processes left behind that were killed."""
        if self._journal is None:
            return
        for path, rows in self._journal.left_behind():
            for at in range(0, len(rows), AT_ONCE):
                await self.ledger.add(rows[at : at + AT_ONCE])
            path.unlink(missing_ok=True)
            if rows:
                log.info("usage of a process that was killed", rows=len(rows))
