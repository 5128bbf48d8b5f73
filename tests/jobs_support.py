"""What the tests of jobs share: a clock that is set by hand, jobs, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from endpoint.jobs.job import Job, JobFile, Status
from endpoint.jobs.store import JobStore
from endpoint.types import Usage

StoreFactory = Callable[..., JobStore]  # (clock=, result_seconds=): a new store, with nothing in it


class Clock:
    """Seconds since 1970, by hand."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def make_job(number: int, **fields: Any) -> Job:
    """Ids sort by number. One file of a minute, unless it is given others."""
    files = (JobFile(f"{number}.wav", f"source-{number}", guess_ms=60_000),)
    return replace(Job(f"job_{number:06d}", files, created_at=1_700_000_000.0 + number), **fields)


def succeeded(job: Job, duration_ms: int = 50_000) -> Job:
    files = tuple(
        replace(file, duration_ms=duration_ms, done_ms=duration_ms, status=Status.SUCCEEDED) for file in job.files
    )
    return replace(job, status=Status.SUCCEEDED, files=files, usage=Usage(audio_tokens=duration_ms // 20))
