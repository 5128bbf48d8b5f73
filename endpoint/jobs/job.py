"""A job: one or several recordings to transcribe, whoever waits for it. Values only.

Times are seconds since 1970, as floats; amounts of audio are milliseconds.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from endpoint.call import Priority
from endpoint.caller import ANONYMOUS_ID
from endpoint.options import Options
from endpoint.types import Usage

MOST_LOST = 3  # workers that a job may lose before it has failed
RESULT_SECONDS = 7 * 86_400.0  # how long results are kept, unless set otherwise
BYTES_PER_SECOND = 128_000 // 8  # 128 kbit/s: what a recording's length is guessed by before it is decoded


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (Status.QUEUED, Status.RUNNING)


@dataclass(frozen=True)
class Failure:
    """An error in OpenAI's terms."""

    message: str
    code: str
    type: str = "invalid_request_error"
    param: str | None = None


@dataclass(frozen=True)
class JobFile:
    """One recording of a job.

    source: where its bytes are, a key of the spool, or a URL. guess_ms: of its length; duration_ms: once it is decoded.
    """

    name: str
    source: str
    url: bool = False
    guess_ms: int = 0
    duration_ms: int | None = None
    done_ms: int = 0
    status: Status = Status.QUEUED
    error: Failure | None = None

    @property
    def audio_ms(self) -> int:
        return self.guess_ms if self.duration_ms is None else self.duration_ms


@dataclass(frozen=True)
class Job:
    """What the store keeps of a job. It is replaced as a whole, by who holds its claim.

    model: as served. fingerprint: of the request, by which a repeated idempotency key is compared.
    attempts: how often a worker took it. lost: how many of them were lost. reserved: where limits of its caller have
    counted its guessed audio.
    traceparent: of the request that submitted it. sampling: its caller consents to it.
    """

    id: str
    files: tuple[JobFile, ...]
    options: Options = field(default_factory=Options)
    model: str = ""
    caller: str = ANONYMOUS_ID
    priority: Priority = Priority.NORMAL
    status: Status = Status.QUEUED
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    expires_at: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    callback_url: str | None = None
    fingerprint: str = ""
    usage: Usage = field(default_factory=Usage)
    error: Failure | None = None
    attempts: int = 0
    lost: int = 0
    reserved: tuple[str, ...] = ()
    traceparent: str = ""
    sampling: bool = False

    @property
    def audio_ms(self) -> int:
        """Of all its files, guessed where they are not decoded."""
        return sum(file.audio_ms for file in self.files)

    @property
    def done_ms(self) -> int:
        return sum(file.done_ms for file in self.files)


@dataclass(frozen=True)
class Claim:
    """A worker's right to a job until `until`. token: larger than that of every earlier claim of this job."""

    job: Job
    owner: str
    token: int
    until: float


@dataclass(frozen=True)
class Event:
    """Something that happened to a job. number: counts from 1 for each job. data: JSON."""

    number: int
    type: str
    data: bytes


@dataclass(frozen=True)
class QueuePosition:
    """position: jobs before it, 0 for the next one. ahead_ms: their audio."""

    position: int
    ahead_ms: int


@dataclass(frozen=True)
class Delivery:
    """A webhook to be sent. id: the same over all attempts. body: JSON. attempts: made so far.

    due: when the next attempt is to be made. failed: why the last one failed. traceparent: that of the job.
    """

    id: str
    job: str
    url: str
    body: bytes
    created_at: float
    attempts: int = 0
    due: float = 0.0
    failed: str | None = None
    traceparent: str = ""


def guess_ms(size: int) -> int:
    """Length of a recording of so many bytes."""
    return size * 1000 // BYTES_PER_SECOND


def new_id(prefix: str = "job", now: float | None = None) -> str:
    """Ids sort by the time they were made at."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    return f"{prefix}_{milliseconds:012x}{secrets.token_hex(8)}"
