"""A job as its caller sees it: the job object, its events, the webhook at its end. Pure."""

from __future__ import annotations

import json
from typing import Any

from endpoint.codec import encode_options
from endpoint.jobs.job import Delivery, Failure, Job, JobFile, QueuePosition, Status, new_id

REALTIME_FACTOR = 10.0  # seconds of audio a second that an estimate is made with before anything was measured


def job_object(job: Job, position: QueuePosition | None = None, speed: float = REALTIME_FACTOR) -> dict[str, Any]:
    """position: of a queued job. speed: seconds of audio that are worked off in a second."""
    queue = position and {
        "position": position.position,
        "audio_seconds_ahead": position.ahead_ms / 1000,
        "estimated_start_seconds": round(position.ahead_ms / 1000 / speed, 1),
    }
    return {
        "id": job.id,
        "object": "audio.job",
        "status": job.status.value,
        "model": job.model,
        "created_at": int(job.created_at),
        "started_at": _seconds(job.started_at),
        "finished_at": _seconds(job.finished_at),
        "expires_at": _seconds(job.expires_at),
        "priority": job.priority.name.lower(),
        "progress": {
            "audio_seconds_done": job.done_ms / 1000,
            "audio_seconds_total": job.audio_ms / 1000,
            "fraction": _fraction(job),
        },
        "queue": queue,
        "files": [_file(job, file) for file in job.files],
        "options": json.loads(encode_options(job.options))["value"],
        "metadata": job.metadata,
        "usage": {"type": "duration", "seconds": job.usage.audio_tokens // 50} if job.status.final else None,
        "error": job.error and _error(job.error),
        "attempts": job.attempts,
    }


def last_event(job: Job) -> tuple[str, bytes]:
    """(type, data) of the event that ends a job."""
    return f"job.{job.status.value}", dumps(job_object(job))


def last_delivery(job: Job) -> Delivery | None:
    """The webhook of a final job, if it has an address; small, so that its receiver asks for the result itself."""
    if job.callback_url is None:
        return None
    data = {
        "id": job.id,
        "status": job.status.value,
        "metadata": job.metadata,
        "error": job.error and _error(job.error),
        "links": {"job": f"/v1/audio/jobs/{job.id}", "result": f"/v1/audio/jobs/{job.id}/result"},
    }
    now = job.finished_at or job.created_at
    body = dumps({"type": f"audio.job.{job.status.value}", "timestamp": int(now), "data": data})
    return Delivery(new_id("msg", now), job.id, job.callback_url, body, now, due=now, traceparent=job.traceparent)


def dumps(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _fraction(job: Job) -> float:
    """1 at the end only where it went well. Files count by their guessed lengths, so that it does not fall when one is
    decoded and found to be longer.
    """
    if job.status is Status.SUCCEEDED:
        return 1.0
    weights = [file.guess_ms or 1 for file in job.files]  # of addresses, nothing is guessed
    parts = (min(1.0, file.done_ms / file.audio_ms) if file.audio_ms else 0.0 for file in job.files)
    return sum(weight * part for weight, part in zip(weights, parts, strict=True)) / max(1, sum(weights))


def _file(job: Job, file: JobFile) -> dict[str, Any]:
    """What was not finished is what became of its job."""
    left = not file.status.final and job.status is not Status.RUNNING
    error = job.error if left else file.error
    return {
        "name": file.name,
        "status": job.status.value if left else file.status.value,
        "duration": None if file.duration_ms is None else file.duration_ms / 1000,
        "error": error and _error(error),
    }


def _error(failure: Failure) -> dict[str, Any]:
    return {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.code}


def _seconds(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
