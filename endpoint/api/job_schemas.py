"""The wire models of jobs, as they are documented; endpoint.jobs.view writes the job object.

Tests hold what is written against these models.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from endpoint.api.schemas import DurationUsage, ErrorDetail, Warned

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
EVENT_TYPES = (
    "job.queued", "job.progress", "transcript.segment", "job.succeeded", "job.failed", "job.cancelled",
)  # fmt: skip


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobProgress(_Shown):
    audio_seconds_done: float = Field(ge=0, description="Of all files together.")
    audio_seconds_total: float = Field(ge=0, description="Of all files; guessed by their size until they are decoded.")
    fraction: float = Field(ge=0, le=1, description="Share that is done; it never falls while the job runs.")


class JobQueue(_Shown):
    position: int = Field(ge=0, description="Jobs before it.")
    audio_seconds_ahead: float = Field(ge=0, description="Their audio.")
    estimated_start_seconds: float = Field(ge=0, description="How long that may take.")


class JobFileState(_Shown):
    name: str = Field(description="As it was sent; of a recording with an address, the address.")
    status: JobStatus = Field(description="Of this file.")
    duration: float | None = Field(ge=0, description="Seconds; null until it is decoded.")
    error: ErrorDetail | None = Field(description="What is wrong with this file.")


class AudioJob(Warned):
    """A job. Times are Unix seconds."""

    id: str = Field(description="By which the other routes know it.")
    object: Literal["audio.job"] = Field(description="Always this word.")
    status: JobStatus = Field(description="The last three are final.")
    model: str = Field(description="What it is transcribed with.")
    created_at: int = Field(description="When it was submitted.")
    started_at: int | None = Field(description="When work on it began.")
    finished_at: int | None = Field(description="When it became final.")
    expires_at: int | None = Field(description="How long its result is kept.")
    priority: Literal["high", "normal", "low"] = Field(description="As it was submitted.")
    progress: JobProgress = Field(description="How far it is.")
    queue: JobQueue | None = Field(description="While it is queued; not in lists.")
    files: list[JobFileState] = Field(description="Its recordings, in the order sent.")
    options: dict[str, Any] = Field(description="What is done with them, in this server's own words.")
    metadata: dict[str, Any] = Field(description="As it was submitted.")
    usage: DurationUsage | None = Field(description="Of a final job: audio that was worked on.")
    error: ErrorDetail | None = Field(description="Why it failed.")
    attempts: int = Field(ge=0, description="How often work on it was begun.")


class JobList(_Shown):
    object: Literal["list"] = Field("list", description="Always this word.")
    data: list[AudioJob] = Field(description="In the order asked for.")
    first_id: str | None = Field(description="Of the first one; null where there is none.")
    last_id: str | None = Field(description="Of the last one: `after` of the next page.")
    has_more: bool = Field(description="Whether there is a next page.")


class DeletedJob(_Shown):
    id: str = Field(description="Of the job that is gone.")
    object: Literal["audio.job"] = Field("audio.job", description="Always this word.")
    deleted: Literal[True] = Field(True, description="Always true, also of a job that was gone already.")


class JobState(_Shown):
    """What the polling address of older services shows of a job that has no result yet."""

    status: JobStatus = Field(description="`queued` or `running`.")


EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "One server-sent event; comments come between them while nothing else is sent.",
    "properties": {
        "id": {"type": "string", "description": "Its number, counted from 1 for each job."},
        "event": {"type": "string", "enum": list(EVENT_TYPES), "description": "What happened."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "An object. Of the last three events: the job object.",
        },
    },
    "required": ["id", "event", "data"],
}
