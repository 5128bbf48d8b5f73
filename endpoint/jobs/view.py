"""A job as its caller sees it: the job object, its events, the webhook at its end. Pure."""

from __future__ import annotations

import json
from typing import Any

from endpoint.codec import encode_options
from endpoint.jobs.job import Delivery, Failure, Job, JobFile, QueuePosition, Status, new_id

REALTIME_FACTOR = 10.0  # seconds of audio a second that an estimate is made with before anything was measured


def job_object(job: Job, position: QueuePosition | None = None, speed: float = REALTIME_FACTOR) -> dict[str, Any]:
    """position: of a queued job. speed: seconds of audio that are worked off in a second."""
    total = job.audio_ms
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
            "audio_seconds_total": total / 1000,
            "fraction": 1.0 if job.status is Status.SUCCEEDED else min(1.0, job.done_ms / total) if total else 0.0,
        },
        "queue": queue,
        "files": [_file(file) for file in job.files],
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
    return Delivery(new_id("msg", now), job.id, job.callback_url, body, now, due=now)


def dumps(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _file(file: JobFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "status": file.status.value,
        "duration": None if file.duration_ms is None else file.duration_ms / 1000,
        "error": file.error and _error(file.error),
    }


def _error(failure: Failure) -> dict[str, Any]:
    return {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.code}


def _seconds(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
