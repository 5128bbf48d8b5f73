"""What the SQLite store does for webhooks and accounts, within its transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from endpoint.jobs.job import Delivery
from endpoint.jobs.sqlite_rows import Step

DUE = """
    SELECT id, job, url, body, created_at, attempts, due, failed, traceparent FROM outbox
    WHERE NOT given_up AND due <= :now AND (lease_until IS NULL OR lease_until <= :now) ORDER BY due, id LIMIT :limit
"""
GIVEN_UP = """
    SELECT id, job, url, body, created_at, attempts, due, failed, traceparent FROM outbox
    WHERE given_up ORDER BY id LIMIT ?
"""
NOT_DELIVERED = """
    UPDATE outbox SET attempts = attempts + 1, failed = ?, given_up = ?, due = ?, owner = NULL, lease_until = NULL
    WHERE id = ? AND attempts = ?
"""
USAGE = "SELECT job, caller, audio_ms FROM usage WHERE job > :after ORDER BY job LIMIT :limit"
USAGE_OF_ONE = """
    SELECT job, caller, audio_ms FROM usage WHERE caller = :caller AND job > :after ORDER BY job LIMIT :limit
"""
SIZES = """
    SELECT 'jobs', COUNT(*) FROM jobs
    UNION ALL SELECT 'queued', COUNT(*) FROM jobs WHERE status = 'queued'
    UNION ALL SELECT 'queued_ms', COALESCE(SUM(audio_ms), 0) FROM jobs WHERE status = 'queued'
    UNION ALL SELECT 'running', COUNT(*) FROM jobs WHERE status = 'running'
    UNION ALL SELECT 'windows', COUNT(*) FROM windows
    UNION ALL SELECT 'results', COUNT(*) FROM results
    UNION ALL SELECT 'events', COUNT(*) FROM events
    UNION ALL SELECT 'outbox', COUNT(*) FROM outbox
    UNION ALL SELECT 'keys', COUNT(*) FROM keys
"""


def take_deliveries(step: Step, owner: str, limit: int, seconds: float) -> Sequence[Delivery]:
    rows = step.db.execute(DUE, {"now": step.now, "limit": limit}).fetchall()
    taken = [Delivery(*row) for row in rows]
    step.db.executemany(
        "UPDATE outbox SET owner = ?, lease_until = ? WHERE id = ?",
        [(owner, step.now + seconds, delivery.id) for delivery in taken],
    )
    return taken


def delivered(step: Step, delivery: Delivery) -> None:
    step.db.execute("DELETE FROM outbox WHERE id = ?", (delivery.id,))


def not_delivered(step: Step, delivery: Delivery, failed: str, due: float | None) -> None:
    """Once for each attempt: a late one changes nothing."""
    moment = delivery.due if due is None else due
    step.db.execute(NOT_DELIVERED, (failed, due is None, moment, delivery.id, delivery.attempts))


def failed_deliveries(step: Step, limit: int) -> Sequence[Delivery]:
    rows = step.db.execute(GIVEN_UP, (limit,))
    return [Delivery(*row) for row in rows]


def replay_delivery(step: Step, delivery_id: str) -> bool:
    done = step.db.execute("UPDATE outbox SET given_up = 0, due = ? WHERE id = ? AND given_up", (step.now, delivery_id))
    return done.rowcount == 1


# ---- accounts


def usage_rows(step: Step, caller: str | None, after: str, limit: int) -> Sequence[tuple[str, str, int]]:
    values = {"caller": caller, "after": after, "limit": max(0, limit)}
    return step.db.execute(USAGE if caller is None else USAGE_OF_ONE, values).fetchall()


def sizes(step: Step) -> Mapping[str, int]:
    return dict(step.db.execute(SIZES).fetchall())
