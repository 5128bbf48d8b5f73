"""Jobs in an SQLite file. The statements are in endpoint.jobs.sqlite_steps and sqlite_outbox."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec, TypeVar

from endpoint.jobs import sqlite_outbox as outbox
from endpoint.jobs import sqlite_steps as steps
from endpoint.jobs.job import RESULT_SECONDS, Claim, Delivery, Event, Job, QueuePosition, Status
from endpoint.jobs.sqlite_rows import Step, get
from endpoint.jobs.sqlite_schema import make_tables
from endpoint.jobs.store import LEASE_SECONDS, Swept
from endpoint.stores.sqlite import WAIT_SECONDS, SqliteFile

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    """A JobStore. result_seconds: how long final jobs are kept. wait_seconds: for others that write."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        result_seconds: float = RESULT_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._file = SqliteFile(path, make_tables, wait_seconds)
        self._clock = clock
        self._result_seconds = result_seconds

    async def open(self) -> None:
        self._file.open()
        await self._read(steps.ping)

    async def close(self) -> None:
        await self._file.close()

    async def ping(self) -> None:
        await self._read(steps.ping)

    # ---- callers

    async def submit(self, job: Job, idempotency_key: str | None = None) -> Job:
        return await self._write(steps.submit, job, idempotency_key)

    async def get(self, job_id: str) -> Job | None:
        return await self._read(get, job_id)

    async def list(
        self,
        caller: str | None,
        status: Status | None = None,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Sequence[Job]:
        return await self._read(steps.jobs, caller, status, after=after, limit=limit, way=order)

    async def position(self, job_id: str) -> QueuePosition | None:
        return await self._read(steps.position, job_id)

    async def result(self, job_id: str, file: int) -> bytes | None:
        return await self._read(steps.result, job_id, file)

    async def events(self, job_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        return await self._read(steps.events, job_id, after, limit)

    async def cancel(self, job_id: str) -> Job | None:
        return await self._write(steps.cancel, job_id)

    async def delete(self, job_id: str) -> Job | None:
        return await self._write(steps.delete, job_id)

    # ---- workers

    async def claim(self, owner: str, seconds: float = LEASE_SECONDS) -> Claim | None:
        return await self._write(steps.claim, owner, seconds)

    async def renew(self, claim: Claim, seconds: float = LEASE_SECONDS) -> Claim:
        return await self._write(steps.renew, claim, seconds)

    async def update(
        self, claim: Claim, job: Job, events: Sequence[tuple[str, bytes]] = (), after: int | None = None
    ) -> None:
        await self._write(steps.update, claim, job, events, after)

    async def save_window(self, claim: Claim, file: int, window: int, data: bytes) -> None:
        await self._write(steps.save_window, claim, file, window, data)

    async def windows(self, job_id: str, file: int) -> Mapping[int, bytes]:
        return await self._read(steps.windows, job_id, file)

    async def finish(self, claim: Claim, job: Job, results: Mapping[int, bytes]) -> None:
        await self._write(steps.finish, claim, job, results)

    async def release(self, claim: Claim) -> None:
        await self._write(steps.release, claim)

    async def requeue(self, job_id: str) -> Job | None:
        return await self._write(steps.requeue, job_id)

    async def sweep(self, limit: int = 100) -> Swept:
        return await self._write(steps.sweep, limit)

    async def forget_sources(self, sources: Sequence[str]) -> None:
        await self._write(steps.forget_sources, sources)

    # ---- webhooks

    async def take_deliveries(self, owner: str, limit: int = 10, seconds: float = LEASE_SECONDS) -> Sequence[Delivery]:
        return await self._write(outbox.take_deliveries, owner, limit, seconds)

    async def delivered(self, delivery: Delivery) -> None:
        await self._write(outbox.delivered, delivery)

    async def not_delivered(self, delivery: Delivery, failed: str, due: float | None) -> None:
        await self._write(outbox.not_delivered, delivery, failed, due)

    async def failed_deliveries(self, limit: int = 100) -> Sequence[Delivery]:
        return await self._read(outbox.failed_deliveries, limit)

    async def replay_delivery(self, delivery_id: str) -> bool:
        return await self._write(outbox.replay_delivery, delivery_id)

    # ---- accounts

    async def usage_rows(
        self, caller: str | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str, int]]:
        return await self._read(outbox.usage_rows, caller, after, limit)

    async def sizes(self) -> Mapping[str, int]:
        return await self._read(outbox.sizes)

    # ---- transactions

    async def _read(self, step: Callable[Concatenate[Step, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._file.read(lambda db: step(self._step(db), *args, **kwargs))

    async def _write(self, step: Callable[Concatenate[Step, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._file.write(lambda db: step(self._step(db), *args, **kwargs))

    def _step(self, db: sqlite3.Connection) -> Step:
        return Step(db, self._clock(), self._result_seconds)
