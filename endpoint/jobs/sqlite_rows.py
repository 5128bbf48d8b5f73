"""Rows of the SQLite store: what several of its steps do."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from endpoint.codec import decode, encode
from endpoint.jobs.job import Claim, Job, Status
from endpoint.jobs.store import LostClaim
from endpoint.jobs.view import last_delivery, last_event


@dataclass(frozen=True)
class Step:
    """A transaction that has begun."""

    db: sqlite3.Connection
    now: float
    result_seconds: float


def get(step: Step, job_id: str) -> Job | None:
    row = step.db.execute("SELECT document FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else decode(Job, row[0])


def held(step: Step, claim: Claim) -> Job:
    """Raises LostClaim."""
    row = step.db.execute(
        "SELECT document FROM jobs WHERE id = ? AND token = ?", (claim.job.id, claim.token)
    ).fetchone()
    if row is None:
        raise LostClaim(claim.job.id)
    return decode(Job, row[0])


def keep(step: Step, job: Job) -> None:
    """Nobody has a claim on a job that is not running."""
    step.db.execute(
        "UPDATE jobs SET status = ?, audio_ms = ?, expires_at = ?, document = ? WHERE id = ?",
        (job.status.value, job.audio_ms, job.expires_at, encode(Job, job), job.id),
    )
    if job.status is not Status.RUNNING:
        step.db.execute("UPDATE jobs SET owner = NULL, token = NULL, lease_until = NULL WHERE id = ?", (job.id,))


def queue_again(step: Step, job: Job) -> None:
    """Its caller's turn is as it was, first among equals."""
    step.db.execute(
        "UPDATE callers SET turn = 0, work_ms = work_ms - (SELECT cost_ms FROM jobs WHERE id = ?) WHERE caller = ?",
        (job.id, job.caller),
    )
    keep(step, job)


def final(step: Step, job: Job) -> Job:
    finished_at = step.now if job.finished_at is None else job.finished_at
    return replace(job, finished_at=finished_at, expires_at=finished_at + step.result_seconds)


def end(step: Step, job: Job) -> Job:
    """A job that is final now, with all that this brings."""
    job = final(step, job)
    keep(step, job)
    add_events(step, job.id, [last_event(job)])
    add_delivery(step, job)
    step.db.execute("DELETE FROM windows WHERE job = ?", (job.id,))
    if job.status is not Status.FAILED:  # which `requeue` may need
        orphan(step, job)
    return job


def forget(step: Step, job: Job) -> None:
    """What refers to the job goes with it."""
    if job.status not in (Status.SUCCEEDED, Status.CANCELLED):  # whose sources went when they ended
        orphan(step, job)
    step.db.execute("DELETE FROM outbox WHERE job = ?", (job.id,))
    step.db.execute("DELETE FROM jobs WHERE id = ?", (job.id,))


def orphan(step: Step, job: Job) -> None:
    sources = [(file.source,) for file in job.files if not file.url]
    step.db.executemany("INSERT OR IGNORE INTO orphans VALUES (?)", sources)


def add_events(step: Step, job_id: str, events: Sequence[tuple[str, bytes]], after: int | None = None) -> None:
    """after: as JobStore.update's."""
    last: int = step.db.execute("SELECT COALESCE(MAX(number), 0) FROM events WHERE job = ?", (job_id,)).fetchone()[0]
    new = events if after is None else events[max(0, last - after) :]
    rows = [(job_id, number, kind, data) for number, (kind, data) in enumerate(new, last + 1)]
    step.db.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)


def add_delivery(step: Step, job: Job) -> None:
    delivery = last_delivery(job)
    if delivery is not None:
        row = (delivery.id, delivery.job, delivery.url, delivery.body, delivery.created_at, delivery.due)
        step.db.execute(
            "INSERT INTO outbox (id, job, url, body, created_at, due, traceparent, attempts)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            (*row, delivery.traceparent),
        )
