"""What the scripts of the Redis store take and give, as the values of endpoint.jobs.job and back. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from endpoint.access.usage_redis import write_row
from endpoint.codec import decode, encode
from endpoint.jobs.account import usage_row
from endpoint.jobs.job import Delivery, Event, Job, Status
from endpoint.jobs.view import last_delivery
from endpoint.stores.redis import Value


def read_job(fields: Sequence[bytes]) -> Job:
    """Its document, and what scripts change of it: status, attempts, lost workers."""
    document, status, attempts, lost = fields[:4]
    job = decode(Job, document)
    return replace(job, status=Status(status.decode()), attempts=int(attempts), lost=int(lost))


def write_job(job: Job) -> bytes:
    return encode(Job, job)


def sources(job: Job) -> str:
    """Keys of the spool, as JSON."""
    return json.dumps([file.source for file in job.files if not file.url])


def write_event(kind: str, data: bytes) -> bytes:
    return kind.encode() + b"\0" + data


def read_event(number: int, written: bytes) -> Event:
    kind, _, data = written.partition(b"\0")
    return Event(number, kind.decode(), data)


def write_delivery(delivery: Delivery) -> bytes:
    return encode(Delivery, delivery)


def read_delivery(document: bytes) -> Delivery:
    return decode(Delivery, document)


def read_usage(row: bytes) -> tuple[str, str, int]:
    """(job id, caller, audio in ms)"""
    job, milliseconds, caller = row.split(b"\0", 2)
    return job.decode(), caller.decode(), int(milliseconds)


def webhook(job: Job | None) -> tuple[Value, Value, Value]:
    """(id, document, due) of the last delivery of a job; empty without one."""
    delivery = None if job is None else last_delivery(job)
    return ("", "", "") if delivery is None else (delivery.id, write_delivery(delivery), delivery.due)


def usage(job: Job) -> str:
    """Its row of the ledger; empty without one."""
    row = usage_row(job)
    return "" if row is None else write_row(row)


def final(job: Job, now: float, result_seconds: float) -> Job:
    """A job that has ended, with its moments."""
    finished_at = now if job.finished_at is None else job.finished_at
    return replace(job, finished_at=finished_at, expires_at=finished_at + result_seconds)


def queued_again(job: Job) -> Job:
    """A job as it was at the start."""
    files = tuple(replace(file, status=Status.QUEUED, error=None, done_ms=0) for file in job.files)
    return replace(
        job, status=Status.QUEUED, files=files, lost=0, error=None, started_at=None, finished_at=None, expires_at=None
    )
