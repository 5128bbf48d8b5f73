"""What the client is given by the server: the job object and what belongs to it, as dictionaries of these keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobError(TypedDict):
    message: str
    type: str
    param: str | None
    code: str | None


class JobProgress(TypedDict):
    audio_seconds_done: float
    audio_seconds_total: float
    fraction: float


class JobQueue(TypedDict):
    position: int
    audio_seconds_ahead: float
    estimated_start_seconds: float


class JobFile(TypedDict):
    name: str
    status: Status
    duration: float | None
    error: JobError | None


class Job(TypedDict):
    """As the server shows it; times are Unix seconds. `warnings` may be among its keys, too."""

    id: str
    object: Literal["audio.job"]
    status: Status
    model: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    expires_at: int | None
    priority: Literal["high", "normal", "low"]
    progress: JobProgress
    queue: JobQueue | None
    files: list[JobFile]
    options: dict[str, Any]
    metadata: dict[str, Any]
    usage: dict[str, Any] | None
    error: JobError | None
    attempts: int


class JobPage(TypedDict):
    object: Literal["list"]
    data: list[Job]
    first_id: str | None
    last_id: str | None
    has_more: bool


@dataclass(frozen=True)
class JobEvent:
    """number: from which to go on. type: such as `job.progress`. data: of the last event, the job."""

    number: int
    type: str
    data: dict[str, Any]
