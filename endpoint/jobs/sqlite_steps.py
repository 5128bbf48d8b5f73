"""What the SQLite store does within its transactions: a function for each method of the protocol.

Those of webhooks and accounts are in endpoint.jobs.sqlite_outbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Literal

from endpoint.access.usage_sqlite import add_rows
from endpoint.codec import decode, encode
from endpoint.errors import IdempotencyMismatch
from endpoint.jobs.account import usage_row
from endpoint.jobs.job import MOST_LOST, Claim, Event, Job, QueuePosition, Status
from endpoint.jobs.sqlite_rows import Step, add_delivery, add_events, end, final, forget, get, held, keep, queue_again
from endpoint.jobs.store import IDEMPOTENCY_SECONDS, Swept, worker_lost
from endpoint.jobs.turns import Queue, order
from endpoint.jobs.view import dumps, job_object

VACUUM_PAGES = 1000  # given back to the file system by a sweep, at most

# Who has the least work among those with jobs in one of two states.
LEAST = """
    SELECT caller, work_ms FROM callers
    WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.caller = callers.caller AND jobs.status IN (?, ?))
    ORDER BY work_ms, turn, caller LIMIT 1
"""
LIST = """
    SELECT document FROM jobs WHERE {caller} AND (:status IS NULL OR status = :status)
    AND (:after IS NULL OR id {than} :after) ORDER BY id {order} LIMIT :limit
"""
LISTS = {
    (everyone, way): LIST.format(
        caller="TRUE" if everyone else "caller = :caller", than=">" if way == "asc" else "<", order=way
    )
    for everyone in (True, False)
    for way in ("asc", "desc")
}


def ping(step: Step) -> None:
    step.db.execute("SELECT value FROM counter").fetchone()


# ---- callers


def submit(step: Step, job: Job, key: str | None) -> Job:
    if job.status is not Status.QUEUED:
        raise ValueError(f"a job that is {job.status} cannot be submitted")
    kept = _kept_under(step, job, key) or get(step, job.id)  # the same id: this was tried before
    if kept is not None:
        return kept
    _enter(step, job.caller)
    step.db.execute(
        "INSERT INTO jobs (id, caller, priority, status, audio_ms, document) VALUES (?, ?, ?, ?, ?, ?)",
        (job.id, job.caller, int(job.priority), job.status.value, job.audio_ms, encode(Job, job)),
    )
    if key is not None:
        step.db.execute(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)",
            (job.caller, key, job.id, step.now + IDEMPOTENCY_SECONDS),
        )
    add_events(step, job.id, [("job.queued", dumps(job_object(job)))])
    return job


def _kept_under(step: Step, job: Job, key: str | None) -> Job | None:
    found = step.db.execute(
        "SELECT job FROM keys WHERE caller = ? AND key = ? AND expires_at > ?", (job.caller, key, step.now)
    ).fetchone()
    kept = found and get(step, found[0])
    if kept is not None and kept.fingerprint != job.fingerprint:
        raise IdempotencyMismatch("The idempotency key was used for another request.", param="idempotency_key")
    return kept


def _enter(step: Step, caller: str) -> None:
    """A caller who has no jobs to be worked off starts with the least of those who have."""
    active = Status.QUEUED.value, Status.RUNNING.value
    if step.db.execute("SELECT 1 FROM jobs WHERE caller = ? AND status IN (?, ?)", (caller, *active)).fetchone():
        return
    least = step.db.execute(LEAST, active).fetchone()
    step.db.execute("INSERT OR IGNORE INTO callers VALUES (?, 0, 0)", (caller,))
    if least is not None:
        step.db.execute("UPDATE callers SET work_ms = ? WHERE caller = ?", (least[1], caller))


def jobs(
    step: Step, caller: str | None, status: Status | None, *, after: str | None, limit: int, way: Literal["asc", "desc"]
) -> Sequence[Job]:
    values = {"caller": caller, "status": status and status.value, "after": after, "limit": max(0, limit)}
    return [decode(Job, row[0]) for row in step.db.execute(LISTS[caller is None, way], values)]


def position(step: Step, job_id: str) -> QueuePosition | None:
    queued = step.db.execute("SELECT 1 FROM jobs WHERE id = ? AND status = ?", (job_id, Status.QUEUED.value)).fetchone()
    if queued is None:
        return None
    rows = step.db.execute(
        """SELECT caller, work_ms, turn, id, audio_ms FROM jobs JOIN callers USING (caller)
        WHERE status = ? ORDER BY caller, priority, id""",
        (Status.QUEUED.value,),
    )
    before = ahead_ms = 0
    for other, audio_ms in order(_queues(rows)):
        if other == job_id:
            break
        before += 1
        ahead_ms += audio_ms
    return QueuePosition(before, ahead_ms)


def _queues(rows: Iterable[tuple[str, int, int, str, int]]) -> Iterable[Queue]:
    for (caller, work_ms, turn), found in groupby(rows, itemgetter(0, 1, 2)):
        yield Queue(caller, work_ms, turn, [(job_id, audio_ms) for *_, job_id, audio_ms in found])


def result(step: Step, job_id: str, file: int) -> bytes | None:
    row = step.db.execute("SELECT data FROM results WHERE job = ? AND file = ?", (job_id, file)).fetchone()
    return None if row is None else bytes(row[0])


def events(step: Step, job_id: str, after: int, limit: int) -> Sequence[Event]:
    rows = step.db.execute(
        "SELECT number, type, data FROM events WHERE job = ? AND number > ? ORDER BY number LIMIT ?",
        (job_id, after, max(0, limit)),
    )
    return [Event(*row) for row in rows]


def cancel(step: Step, job_id: str) -> Job | None:
    job = get(step, job_id)
    if job is None or job.status.final:
        return job
    return end(step, replace(job, status=Status.CANCELLED))


def delete(step: Step, job_id: str) -> Job | None:
    job = get(step, job_id)
    if job is None:
        return None
    forget(step, job)
    if not job.status.final:
        add_delivery(step, final(step, replace(job, status=Status.CANCELLED)))
    return job


# ---- workers


def claim(step: Step, owner: str, seconds: float) -> Claim | None:
    least = step.db.execute(LEAST, (Status.QUEUED.value, Status.QUEUED.value)).fetchone()
    if least is None:
        return None
    caller = least[0]
    row = step.db.execute(
        "SELECT document FROM jobs WHERE status = ? AND caller = ? ORDER BY priority, id LIMIT 1",
        (Status.QUEUED.value, caller),
    ).fetchone()
    queued = decode(Job, row[0])
    job = replace(queued, status=Status.RUNNING, attempts=queued.attempts + 1)
    step.db.execute("UPDATE counter SET value = value + 1")
    token: int = step.db.execute("SELECT value FROM counter").fetchone()[0]
    step.db.execute(
        "UPDATE callers SET work_ms = work_ms + ?, turn = ? WHERE caller = ?", (job.audio_ms, token, caller)
    )
    keep(step, job)
    until = step.now + seconds
    step.db.execute(
        "UPDATE jobs SET cost_ms = ?, owner = ?, token = ?, lease_until = ? WHERE id = ?",
        (job.audio_ms, owner, token, until, job.id),
    )
    return Claim(job, owner, token, until)


def renew(step: Step, claim: Claim, seconds: float) -> Claim:
    job = held(step, claim)
    until = step.now + seconds
    step.db.execute("UPDATE jobs SET lease_until = ? WHERE id = ?", (until, job.id))
    return replace(claim, job=job, until=until)


def update(step: Step, claim: Claim, job: Job, events: Sequence[tuple[str, bytes]], after: int | None) -> None:
    kept = replace(held(step, claim), files=job.files, started_at=job.started_at)
    row = step.db.execute("SELECT cost_ms FROM jobs WHERE id = ?", (kept.id,)).fetchone()
    growth = max(0, kept.audio_ms - row[0])
    step.db.execute("UPDATE callers SET work_ms = work_ms + ? WHERE caller = ?", (growth, kept.caller))
    step.db.execute("UPDATE jobs SET cost_ms = cost_ms + ? WHERE id = ?", (growth, kept.id))
    keep(step, kept)
    add_events(step, kept.id, events, after)


def save_window(step: Step, claim: Claim, file: int, window: int, data: bytes) -> None:
    job = held(step, claim)
    step.db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?)", (job.id, file, window, data))


def windows(step: Step, job_id: str, file: int) -> Mapping[int, bytes]:
    rows = step.db.execute(
        "SELECT window, data FROM windows WHERE job = ? AND file = ? ORDER BY window", (job_id, file)
    )
    return dict(rows.fetchall())


def finish(step: Step, claim: Claim, job: Job, results: Mapping[int, bytes]) -> None:
    if not job.status.final:
        raise ValueError(f"a job that is {job.status} is not finished")
    held(step, claim)
    step.db.executemany(
        "INSERT OR REPLACE INTO results VALUES (?, ?, ?)", [(job.id, file, data) for file, data in results.items()]
    )
    job = final(step, job)
    if (row := usage_row(job)) is not None:
        add_rows([row], step.db)
        step.db.execute("INSERT OR IGNORE INTO usage VALUES (?, ?, ?)", (job.id, job.caller, job.audio_ms))
    end(step, job)


def release(step: Step, claim: Claim) -> None:
    queue_again(step, replace(held(step, claim), status=Status.QUEUED))


def requeue(step: Step, job_id: str) -> Job | None:
    job = get(step, job_id)
    if job is None or job.status is not Status.FAILED:
        return None
    _enter(step, job.caller)
    files = tuple(replace(file, status=Status.QUEUED, error=None, done_ms=0) for file in job.files)
    queued = replace(
        job, status=Status.QUEUED, files=files, lost=0, error=None, started_at=None, finished_at=None, expires_at=None
    )
    step.db.execute("DELETE FROM results WHERE job = ?", (job_id,))
    keep(step, queued)
    return queued


def sweep(step: Step, limit: int) -> Swept:
    reclaimed, failed = _take_back(step, limit)
    gone = _documents(step, "SELECT document FROM jobs WHERE expires_at <= ? ORDER BY expires_at LIMIT ?", limit)
    for job in gone:
        forget(step, job)
    step.db.execute(
        "DELETE FROM keys WHERE rowid IN (SELECT rowid FROM keys WHERE expires_at <= ? LIMIT ?)", (step.now, limit)
    )
    step.db.execute(
        "DELETE FROM outbox WHERE given_up AND created_at <= ? AND job NOT IN (SELECT id FROM jobs)",
        (step.now - step.result_seconds,),
    )
    step.db.execute(
        """DELETE FROM callers WHERE NOT EXISTS
        (SELECT 1 FROM jobs WHERE jobs.caller = callers.caller AND jobs.status IN (?, ?))""",
        (Status.QUEUED.value, Status.RUNNING.value),
    )
    sources = step.db.execute("SELECT source FROM orphans ORDER BY source LIMIT ?", (limit,)).fetchall()
    _vacuum(step)
    return Swept(reclaimed, failed, len(gone), tuple(source for (source,) in sources))


def _take_back(step: Step, limit: int) -> tuple[int, int]:
    """(jobs queued again, failed ones)"""
    running = _documents(step, "SELECT document FROM jobs WHERE lease_until <= ? ORDER BY lease_until LIMIT ?", limit)
    failed = 0
    for job in running:
        lost = job.lost + 1
        if lost >= MOST_LOST:
            failed += 1
            end(step, replace(job, status=Status.FAILED, lost=lost, error=worker_lost(lost)))
        else:
            queue_again(step, replace(job, status=Status.QUEUED, lost=lost))
    return len(running) - failed, failed


def _documents(step: Step, query: str, limit: int) -> Sequence[Job]:
    return [decode(Job, row[0]) for row in step.db.execute(query, (step.now, limit)).fetchall()]


def _vacuum(step: Step) -> None:
    """Python's sqlite3 runs the pragma for one page at a time."""
    free: int = step.db.execute("PRAGMA freelist_count").fetchone()[0]
    for _ in range(min(free, VACUUM_PAGES)):
        step.db.execute("PRAGMA incremental_vacuum(1)")


def forget_sources(step: Step, sources: Sequence[str]) -> None:
    step.db.executemany("DELETE FROM orphans WHERE source = ?", [(source,) for source in sources])
