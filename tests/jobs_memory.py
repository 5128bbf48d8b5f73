"""A store and a spool in memory for tests of what is around them, and jobs brought to their end by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from endpoint.codec import encode_transcript
from endpoint.errors import IdempotencyMismatch, StoreUnavailable
from endpoint.jobs.job import RESULT_SECONDS, Claim, Delivery, Event, Failure, Job, JobFile, QueuePosition, Status
from endpoint.jobs.keys import new_key
from endpoint.jobs.service import Jobs
from endpoint.jobs.store import LostClaim, Swept
from endpoint.jobs.view import dumps, last_event
from endpoint.memfile import MemoryFile
from endpoint.types import Transcript, Usage
from tests.api_support import TRANSCRIPT

FOREVER = 1e12


class MemorySpool:
    """down: whether it cannot be reached."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.down = False

    async def put(self, data: MemoryFile) -> str:
        if self.down:
            raise StoreUnavailable("no spool")
        key = new_key()
        self.files[key] = data.read()
        return key

    async def open(self, key: str) -> MemoryFile:
        return MemoryFile(self.files[key])

    async def delete(self, key: str) -> None:
        self.files.pop(key, None)

    async def keys(self) -> Sequence[tuple[str, float]]:
        return [(key, 0.0) for key in self.files]


class MemoryStore:
    """The oldest job first; leases do not run out. down: whether it cannot be reached."""

    def __init__(self) -> None:
        self.down = False
        self.jobs: dict[str, Job] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.happened: dict[str, list[Event]] = {}
        self.results: dict[tuple[str, int], bytes] = {}
        self.kept_windows: dict[tuple[str, int], dict[int, bytes]] = {}
        self.tokens: dict[str, int] = {}
        self.forgotten: list[str] = []

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("no store")

    def note(self, job_id: str, kind: str, data: bytes) -> None:
        """Add an event."""
        events = self.happened.setdefault(job_id, [])
        events.append(Event(len(events) + 1, kind, data))

    async def open(self) -> None:
        self._check()

    async def close(self) -> None: ...

    async def ping(self) -> None:
        self._check()

    async def submit(self, job: Job, idempotency_key: str | None = None) -> Job:
        self._check()
        if idempotency_key is not None:
            known = self.jobs.get(self.keys.setdefault((job.caller, idempotency_key), job.id))
            if known is not None:
                if known.fingerprint != job.fingerprint:
                    raise IdempotencyMismatch("This key was used for another request.", param="Idempotency-Key")
                return known
        self.jobs[job.id] = job
        self.note(job.id, "job.queued", dumps({"id": job.id}))
        return job

    async def get(self, job_id: str) -> Job | None:
        self._check()
        return self.jobs.get(job_id)

    async def list(self, caller, status=None, after=None, limit=20, order="desc") -> Sequence[Job]:
        self._check()
        found = [
            job
            for job in sorted(self.jobs.values(), key=lambda job: job.id, reverse=order == "desc")
            if caller in (None, job.caller) and status in (None, job.status)
        ]
        if after is not None:
            found = [job for job in found if (job.id < after if order == "desc" else job.id > after)]
        return found[:limit]

    def _queued(self) -> list[Job]:
        queued = [job for job in self.jobs.values() if job.status is Status.QUEUED]
        return sorted(queued, key=lambda job: (job.priority, job.id))

    async def position(self, job_id: str) -> QueuePosition | None:
        self._check()
        queued = self._queued()
        before = next((number for number, job in enumerate(queued) if job.id == job_id), None)
        return None if before is None else QueuePosition(before, sum(job.audio_ms for job in queued[:before]))

    async def result(self, job_id: str, file: int) -> bytes | None:
        self._check()
        return self.results.get((job_id, file))

    async def events(self, job_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        self._check()
        return [event for event in self.happened.get(job_id, []) if event.number > after][:limit]

    async def cancel(self, job_id: str) -> Job | None:
        self._check()
        job = self.jobs.get(job_id)
        if job is not None and not job.status.final:
            job = self.jobs[job_id] = replace(job, status=Status.CANCELLED)
            self.note(job_id, *last_event(job))
        return job

    async def delete(self, job_id: str) -> Job | None:
        self._check()
        self.happened.pop(job_id, None)
        self.results = {key: data for key, data in self.results.items() if key[0] != job_id}
        return self.jobs.pop(job_id, None)

    async def claim(self, owner: str, seconds: float = 30.0) -> Claim | None:
        self._check()
        for job in self._queued()[:1]:
            self.tokens[job.id] = self.tokens.get(job.id, 0) + 1
            taken = self.jobs[job.id] = replace(job, status=Status.RUNNING, attempts=job.attempts + 1)
            return Claim(taken, owner, self.tokens[job.id], FOREVER)
        return None

    def _held(self, claim: Claim) -> Job:
        self._check()
        job = self.jobs.get(claim.job.id)
        if job is None or job.status is not Status.RUNNING or self.tokens[job.id] != claim.token:
            raise LostClaim(claim.job.id)
        return job

    async def renew(self, claim: Claim, seconds: float = 30.0) -> Claim:
        self._held(claim)
        return claim

    async def update(
        self, claim: Claim, job: Job, events: Sequence[tuple[str, bytes]] = (), after: int | None = None
    ) -> None:
        self._held(claim)
        self.jobs[job.id] = job
        known = 0 if after is None else len(self.happened[job.id]) - after
        for kind, data in events[known:]:
            self.note(job.id, kind, data)

    async def save_window(self, claim: Claim, file: int, window: int, data: bytes) -> None:
        self._held(claim)
        self.kept_windows.setdefault((claim.job.id, file), {})[window] = data

    async def windows(self, job_id: str, file: int) -> Mapping[int, bytes]:
        return self.kept_windows.get((job_id, file), {})

    async def finish(self, claim: Claim, job: Job, results: Mapping[int, bytes]) -> None:
        self._held(claim)
        self.jobs[job.id] = job
        self.results |= {(job.id, file): data for file, data in results.items()}
        self.note(job.id, *last_event(job))

    async def release(self, claim: Claim) -> None:
        self.jobs[claim.job.id] = replace(self._held(claim), status=Status.QUEUED)

    async def requeue(self, job_id: str) -> Job | None:
        self._check()
        job = self.jobs.get(job_id)
        if job is None or job.status is not Status.FAILED:
            return None
        self.jobs[job_id] = replace(job, status=Status.QUEUED, error=None, lost=0)
        return self.jobs[job_id]

    async def sweep(self, limit: int = 100) -> Swept:
        return Swept()

    async def forget_sources(self, sources: Sequence[str]) -> None:
        self._check()
        self.forgotten += sources

    async def take_deliveries(self, owner: str, limit: int = 10, seconds: float = 30.0) -> Sequence[Delivery]:
        return []

    async def delivered(self, delivery: Delivery) -> None: ...

    async def not_delivered(self, delivery: Delivery, failed: str, due: float | None) -> None: ...

    async def failed_deliveries(self, limit: int = 100) -> Sequence[Delivery]:
        return []

    async def replay_delivery(self, delivery_id: str) -> bool:
        return False

    async def usage_rows(
        self, caller: str | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str, int]]:
        return []

    async def sizes(self) -> Mapping[str, int]:
        self._check()
        queued = self._queued()
        counts = {"queued": len(queued), "queued_ms": sum(job.audio_ms for job in queued), "outbox": 0}
        running = sum(job.status is Status.RUNNING for job in self.jobs.values())
        return {"jobs": len(self.jobs), "running": running, **counts}


def memory_jobs(**parts: Any) -> Jobs:
    return Jobs(**{"store": MemoryStore(), "spool": MemorySpool()} | parts)


async def end_next(
    store: MemoryStore,
    transcript: Transcript = TRANSCRIPT,
    *,
    error: Failure | None = None,
    errors: Mapping[int, Failure] | None = None,
    **changes: Any,
) -> Job:
    """End the next job: failed with `error`, else with the transcript for all files but those of `errors`."""
    claim = await store.claim("test")
    assert claim is not None
    wrong = errors or {}
    length = transcript.duration_ms

    def ended(index: int, file: JobFile) -> JobFile:
        if error is not None or index in wrong:
            return replace(file, status=Status.FAILED, error=wrong.get(index))
        return replace(file, status=Status.SUCCEEDED, duration_ms=length, done_ms=length)

    files = tuple(ended(index, file) for index, file in enumerate(claim.job.files))
    job = replace(
        claim.job,
        status=Status.SUCCEEDED if error is None else Status.FAILED,
        files=files,
        error=error,
        usage=Usage(audio_tokens=length // 20),
        started_at=claim.job.created_at + 1,
        finished_at=claim.job.created_at + 2,
        expires_at=claim.job.created_at + RESULT_SECONDS,
        **changes,
    )
    good = [index for index, file in enumerate(files) if file.status is Status.SUCCEEDED]
    await store.finish(claim, job, {index: encode_transcript(transcript) for index in good})
    return job
