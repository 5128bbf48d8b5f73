"""How far a job is: written to the store now and then; and each window, kept when it is decoded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from endpoint.core.transcriber import Progress
from endpoint.errors import StoreUnavailable
from endpoint.jobs.job import Claim
from endpoint.jobs.store import JobStore
from endpoint.jobs.view import dumps, job_object
from endpoint.types import Segment, Usage

PROGRESS, SEGMENT = "job.progress", "transcript.segment"
EVERY_SECONDS = 1.0  # at most so often the store is written to


class Progresses:
    """The job of a claim as it is worked on, written to the store at most every EVERY_SECONDS.

    Each segment is an event once, whoever worked on the job before, and however often a write is repeated.
    """

    def __init__(self, store: JobStore, claim: Claim) -> None:
        self._store, self.claim = store, claim
        self.job = replace(claim.job, started_at=claim.job.started_at or time.time())
        self._events = list[tuple[str, bytes]]()  # that the store is not known to have
        self._after = 0  # number of the event that they come after
        self._known = set[bytes]()  # segments that are events since before this claim
        self._written = 0.0

    async def begin(self) -> None:
        """Raises LostClaim, StoreUnavailable."""
        while events := await self._store.events(self.claim.job.id, self._after):
            self._after = events[-1].number
            self._known.update(event.data for event in events if event.type == SEGMENT)
        await self.write()

    def change(self, number: int, **changes: Any) -> None:
        """Of one file."""
        files = list(self.job.files)
        files[number] = replace(files[number], **changes)
        self.job = replace(self.job, files=tuple(files))

    def add_usage(self, usage: Usage) -> None:
        known = self.job.usage
        self.job = replace(
            self.job,
            usage=Usage(
                known.audio_tokens + usage.audio_tokens,
                known.text_tokens + usage.text_tokens,
                known.output_tokens + usage.output_tokens,
            ),
        )

    async def step(self, number: int, step: Progress, audio_seconds: float) -> None:
        """A step of the file `number`, of so many seconds. Raises LostClaim.

        What is done never falls: a worker that begins again finds the windows that were kept one after the other.
        """
        duration = round(audio_seconds * 1000)
        done = duration * step.done // step.total if step.total else duration
        self.change(number, duration_ms=duration, done_ms=max(done, self.job.files[number].done_ms))
        segments = [_segment(number, segment) for segment in step.segments]
        self._events += [(SEGMENT, data) for data in segments if data not in self._known]
        if time.monotonic() - self._written >= EVERY_SECONDS:
            await self.write()

    async def write(self) -> bool:
        """Whether it is known to be written: a store that is unavailable gets it with the next. Raises LostClaim."""
        if not self._events or self._events[-1][0] != PROGRESS:
            self._events.append((PROGRESS, dumps(job_object(self.job)["progress"])))
        try:
            await self._store.update(self.claim, self.job, self._events, self._after)
        except StoreUnavailable:
            return False
        self._after += len(self._events)
        self._events.clear()
        self._written = time.monotonic()
        return True


class FileCheckpoint:
    """The Checkpoint of one file of a claimed job."""

    def __init__(self, store: JobStore, claim: Claim, file: int) -> None:
        self._store, self._claim, self._file = store, claim, file
        self.found: Mapping[int, bytes] = {}

    async def load(self) -> None:
        """What earlier workers kept. Raises StoreUnavailable."""
        self.found = await self._store.windows(self._claim.job.id, self._file)

    async def save(self, window: int, data: bytes) -> None:
        """Raises LostClaim. Where the store is unavailable, the window is decoded again after a loss."""
        try:
            await self._store.save_window(self._claim, self._file, window, data)
        except StoreUnavailable:
            return


def _segment(number: int, segment: Segment) -> bytes:
    return dumps(
        {
            "file": number,
            "id": segment.id,
            "start": segment.start_ms / 1000,
            "end": segment.end_ms / 1000,
            "text": segment.text,
            "language": segment.language,
        }
    )
