"""What the API does with jobs: submit, cancel and delete them, each with its files."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from endpoint.errors import InvalidRequest, JobNotFound, StoreUnavailable
from endpoint.jobs.job import Job, JobFile, Status, guess_ms
from endpoint.jobs.spool import Spool
from endpoint.jobs.store import JobStore
from endpoint.memfile import MemoryFile
from endpoint.observe.watch import Backlog
from endpoint.outgoing import OutgoingPolicy
from endpoint.tasks import done_anyway

log = structlog.get_logger(__name__)

OPEN_SECONDS = 1.0  # until a store that is not there is tried again
_AT_ONCE = 1 << 20  # bytes of a file that are hashed at once


Settle = Callable[[Job], Awaitable[None]]


async def unsettled(_: Job) -> None:
    """Where no limit of a caller applies."""


class Upload(Protocol):
    """A file of a request, under the name it was sent with."""

    @property
    def name(self) -> str: ...

    @property
    def data(self) -> MemoryFile: ...


@dataclass
class Jobs:
    """policy: of the addresses that jobs may name. wake: nudges the worker of this process.

    settle: corrects what a job reserved, when it has ended here.
    """

    store: JobStore
    spool: Spool
    policy: OutgoingPolicy = field(default_factory=OutgoingPolicy)
    wake: Callable[[], None] = lambda: None
    settle: Settle = unsettled

    async def open(self) -> None:
        """Connect to the store, again and again until it is there."""
        await opened(self.store)

    async def backlog(self) -> Backlog:
        """What is to be done. Raises StoreUnavailable."""
        sizes, oldest = await self.store.sizes(), dict[str, float]()
        for status in (Status.QUEUED, Status.RUNNING):
            oldest |= {job.status.value: job.created_at for job in await self.store.list(None, status, None, 1, "asc")}
        return Backlog(sizes["queued"], sizes["running"], sizes["queued_ms"], sizes["outbox"], oldest)

    async def submit(
        self, job: Job, uploads: Sequence[Upload], urls: Sequence[str] = (), idempotency_key: str | None = None
    ) -> Job:
        """The job as it is kept, with these files; or the one that was kept under the key before.

        Files that no job needs are deleted again. A caller that is cancelled while the store is written waits for the
        outcome: what the store has keeps its files. Raises IdempotencyMismatch, StoreUnavailable.
        """
        files = list[JobFile]()
        try:
            for upload in uploads:
                source = await self.spool.put(upload.data)
                files.append(JobFile(upload.name, source, guess_ms=guess_ms(len(upload.data))))
        except BaseException:
            await self._drop(files)
            raise
        files += (JobFile(url, url, url=True) for url in urls)
        return await done_anyway(self._keep(replace(job, files=tuple(files)), idempotency_key))

    async def _keep(self, job: Job, idempotency_key: str | None) -> Job:
        try:
            kept = await self.store.submit(job, idempotency_key)
        except StoreUnavailable:
            # It may have been kept nevertheless. While nobody knows, the files stay.
            found = await self.store.get(job.id)
            if found is None:
                await self._drop(job.files)
                raise
            kept = found
        except BaseException:
            await self._drop(job.files)
            raise
        if kept.id != job.id:
            await self._drop(job.files)
        self.wake()
        return kept

    async def cancel(self, job_id: str) -> Job:
        """The job, which is final now. Raises JobNotFound, StoreUnavailable."""
        job = await self.store.cancel(job_id)
        if job is None:
            raise not_found(job_id)
        if job.status is Status.CANCELLED:
            await self._forget(job)
            await self.settle(job)
        return job

    async def requeue(self, job_id: str) -> Job:
        """The job, which failed and is queued again, from its start. Raises InvalidRequest where it has not failed."""
        job = await self.store.requeue(job_id)
        if job is None:
            raise InvalidRequest("Only a job that failed can be queued again.", code="job_not_failed")
        self.wake()
        return job

    async def delete(self, job_id: str) -> None:
        """Forget a job and its files; one that is gone already is fine. Raises StoreUnavailable."""
        job = await self.store.delete(job_id)
        if job is not None:
            await self._forget(job)
            if not job.status.final:
                await self.settle(replace(job, status=Status.CANCELLED))

    async def _forget(self, job: Job) -> None:
        """Delete files that the store would name at its next sweep."""
        sources = [file.source for file in job.files if not file.url]
        for source in sources:
            await self.spool.delete(source)
        if sources:
            await self.store.forget_sources(sources)

    async def _drop(self, files: Iterable[JobFile]) -> None:
        """Delete files that no job has. One that cannot be deleted does not hide why."""
        for file in files:
            if not file.url:
                with suppress(Exception):
                    await self.spool.delete(file.source)


async def opened(store: JobStore) -> None:
    """Connect to the store, again and again until it is there."""
    while True:
        try:
            return await store.open()
        except StoreUnavailable as error:
            log.warning("the store of jobs is unavailable", why=error.message)
            await asyncio.sleep(OPEN_SECONDS)


def not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"There is no job `{job_id[:64]}`, or it was deleted.")


async def fingerprint(fields: Iterable[tuple[str, str]], uploads: Sequence[Upload]) -> str:
    """Of a request: its fields, where only the order of equal names matters, and the content of its files."""
    digests = [await asyncio.to_thread(_digest, upload.data) for upload in uploads]
    written = json.dumps([sorted(fields, key=lambda pair: pair[0]), digests])
    return hashlib.sha256(written.encode()).hexdigest()


def _digest(file: MemoryFile) -> str:
    digest = hashlib.sha256()
    for begin in range(0, len(file), _AT_ONCE):
        digest.update(file.part(begin, _AT_ONCE))
    return digest.hexdigest()
