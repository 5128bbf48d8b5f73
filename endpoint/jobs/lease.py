"""Claims are kept alive from a thread with an event loop and a store of its own: busy work cannot starve it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from endpoint.errors import StoreUnavailable
from endpoint.jobs.job import Claim
from endpoint.jobs.store import LEASE_SECONDS, JobStore, LostClaim

log = structlog.get_logger(__name__)


class Leases:
    """Renews every claim it holds at a third of its lease.

    store: makes a store of the thread's own. lost: called, in the loop that started this, with the id of a job whose
    claim is lost: another worker has it, it was cancelled, or its lease ran out while the store was unavailable.
    """

    def __init__(
        self, store: Callable[[], JobStore], lost: Callable[[str], None], seconds: float = LEASE_SECONDS
    ) -> None:
        self._make, self._lost, self._seconds = store, lost, seconds
        self._claims: dict[str, Claim] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """In the event loop that `lost` is to be called in."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=asyncio.run, args=(self._keep(loop),), name="leases", daemon=True)
        self._thread.start()

    def hold(self, claim: Claim) -> None:
        with self._lock:
            self._claims[claim.job.id] = claim

    def drop(self, job_id: str) -> None:
        with self._lock:
            self._claims.pop(job_id, None)

    async def close(self) -> None:
        self._stopping = True
        self._changed.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> None:
        store = self._make()
        try:
            while not self._stopping:
                await asyncio.to_thread(self._changed.wait, self._seconds / 3)
                with self._lock:
                    claims = list(self._claims.values())
                for claim in claims:
                    await self._renew(store, claim, loop)
        finally:
            await store.close()

    async def _renew(self, store: JobStore, claim: Claim, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await store.open()
            renewed = await store.renew(claim, self._seconds)
        except LostClaim:
            self.drop(claim.job.id)
            with suppress(RuntimeError):  # the loop is closed: nobody works on it any more
                loop.call_soon_threadsafe(self._lost, claim.job.id)
        except StoreUnavailable as error:
            log.warning("lease not renewed", job=claim.job.id, why=error.message)
        else:
            with self._lock:
                if claim.job.id in self._claims:
                    self._claims[claim.job.id] = renewed
