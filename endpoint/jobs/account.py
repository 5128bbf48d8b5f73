"""What a job comes to: in the ledger of usage, and by the limits of its caller."""

from __future__ import annotations

import structlog

from endpoint.access.limits import Limiter
from endpoint.access.usage import UsageRow, billed
from endpoint.errors import StoreUnavailable
from endpoint.jobs.job import Job, Status

log = structlog.get_logger(__name__)


def usage_row(job: Job) -> UsageRow | None:
    """Of a job that is final; None where nothing came of it. Files that failed cost nothing."""
    if job.status is not Status.SUCCEEDED:
        return None
    made = [file.duration_ms or 0 for file in job.files if file.status is Status.SUCCEEDED]
    at = job.created_at if job.finished_at is None else job.finished_at
    return UsageRow(job.id, job.caller, job.model, job.options.task.value, sum(made), billed(made), at)


async def settle(limiter: Limiter, job: Job) -> None:
    """Of what was reserved for a job that is final, only what was transcribed stays counted. Again does nothing."""
    row = usage_row(job)
    reserved_ms = sum(file.guess_ms for file in job.files)
    try:
        await limiter.settle(job.id, job.reserved, (row.audio_ms if row else 0) - reserved_ms)
    except StoreUnavailable as error:
        log.warning("limits not corrected", job=job.id, why=error.message)
