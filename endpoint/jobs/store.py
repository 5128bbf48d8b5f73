"""Where jobs are kept: one protocol for SQLite and Redis. Every method is one atomic step, durable when it returns.

Who claims a job gets a token. Every write under a claim names it, and is refused (`LostClaim`) once another worker has
the job, its lease has run out and was taken back, or it was cancelled: a late worker changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from endpoint.jobs.job import Claim, Delivery, Event, Failure, Job, QueuePosition, Status

IDEMPOTENCY_SECONDS = 86_400.0  # how long a key is remembered
LEASE_SECONDS = 30.0


class LostClaim(Exception):
    """The job is somebody else's by now, cancelled, or gone."""


@dataclass(frozen=True)
class Swept:
    """reclaimed: jobs whose worker was lost, queued again. failed: those that lost too many. expired: deleted jobs.

    sources: keys of the spool that nobody needs any more, until `forget_sources` names them. Those of a failed job are
    needed by `requeue` until it is deleted or has expired.
    """

    reclaimed: int = 0
    failed: int = 0
    expired: int = 0
    sources: tuple[str, ...] = ()


class JobStore(Protocol):
    """Raises StoreUnavailable, from every method, within 2 s."""

    async def open(self) -> None:
        """Connect, and make what is missing. Again does nothing."""

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Raises StoreUnavailable when jobs can be neither accepted nor read."""

    # ---- callers

    async def submit(self, job: Job, idempotency_key: str | None = None) -> Job:
        """Keep a queued job; with its event `job.queued`. The job kept under the same caller's key, if there is one.

        Raises IdempotencyMismatch where that one has another fingerprint.
        """
        ...

    async def get(self, job_id: str) -> Job | None: ...

    async def list(
        self,
        caller: str | None,
        status: Status | None = None,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Sequence[Job]:
        """By id, which is by time. caller: None for all. after: id of the last job of the page before."""
        ...

    async def position(self, job_id: str) -> QueuePosition | None:
        """None where it is not queued."""
        ...

    async def result(self, job_id: str, file: int) -> bytes | None:
        """What `finish` was given for this file."""
        ...

    async def events(self, job_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Those with larger numbers, in order."""
        ...

    async def cancel(self, job_id: str) -> Job | None:
        """Queued or running becomes cancelled, with event and webhook; a final one stays. None: there is none."""
        ...

    async def delete(self, job_id: str) -> Job | None:
        """Forget everything of it but its usage; one that was not final leaves the webhook of a cancelled one.

        What it was before; None where there is none.
        """
        ...

    # ---- workers

    async def claim(self, owner: str, seconds: float = LEASE_SECONDS) -> Claim | None:
        """The next job, now running: of the caller whose turn it is, the oldest of the most urgent priority.

        Turns are fair by audio: each caller has had some of it worked on, and the one with the least of those with
        queued jobs goes first. A caller that comes anew, or had neither queued nor running jobs, starts with the least
        of those that have. Claiming charges the caller `job.audio_ms`, and counts an attempt; `started_at` is the
        worker's to set.
        """
        ...

    async def renew(self, claim: Claim, seconds: float = LEASE_SECONDS) -> Claim:
        """Raises LostClaim."""
        ...

    async def update(
        self, claim: Claim, job: Job, events: Sequence[tuple[str, bytes]] = (), after: int | None = None
    ) -> None:
        """Keep progress: files, started_at; and events (type, JSON data). Charges the caller what `audio_ms` grew by.

        after: number of the event that they come after. Those that are there already are not kept again: so a worker
        that does not know whether a write was done repeats it. None: after the last. Raises LostClaim.
        """

    async def save_window(self, claim: Claim, file: int, window: int, data: bytes) -> None:
        """A checkpoint: what came of one window. Raises LostClaim."""

    async def windows(self, job_id: str, file: int) -> Mapping[int, bytes]:
        """The checkpoints of a file, by number of the window."""
        ...

    async def finish(self, claim: Claim, job: Job, results: Mapping[int, bytes]) -> None:
        """Keep a job that is final, with results by file, usage, last event and webhook, in one step.

        finished_at: now, if it has none. Its checkpoints are forgotten. Raises LostClaim.
        """

    async def release(self, claim: Claim) -> None:
        """Hand the job back: it is queued again, at its old position; no worker was lost. Raises LostClaim.

        What its caller was charged is taken back, as it is when a worker was lost.
        """

    async def requeue(self, job_id: str) -> Job | None:
        """Give a failed job another chance, from the start: its lost workers, error and results are forgotten.

        None where there is none that failed.
        """
        ...

    async def sweep(self, limit: int = 100) -> Swept:
        """Queue again what lost its worker, or fail it (`worker_lost`) after MOST_LOST; forget what has expired.

        limit: most of each kind.
        """
        ...

    async def forget_sources(self, sources: Sequence[str]) -> None:
        """They were deleted from the spool; until then every `sweep` names them."""

    # ---- webhooks

    async def take_deliveries(self, owner: str, limit: int = 10, seconds: float = LEASE_SECONDS) -> Sequence[Delivery]:
        """Webhooks that are due, leased to `owner` for so long: others do not get them meanwhile."""
        ...

    async def delivered(self, delivery: Delivery) -> None:
        """It arrived: forget it."""

    async def not_delivered(self, delivery: Delivery, failed: str, due: float | None) -> None:
        """due: of the next attempt; None: given up, and listed as failed."""

    async def failed_deliveries(self, limit: int = 100) -> Sequence[Delivery]: ...

    async def replay_delivery(self, delivery_id: str) -> bool:
        """Make a failed one due now. False where there is none."""
        ...

    # ---- accounts

    async def usage_rows(
        self, caller: str | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str, int]]:
        """(job id, caller, audio in ms), one for each job that succeeded, by id; they outlive the jobs.

        after: id of the last job of the page before. limit: rows of this page.
        """
        ...

    async def sizes(self) -> Mapping[str, int]:
        """Entries of every structure: jobs, queued, running, windows, results, events, outbox, keys.

        And queued_ms: the audio of those that are queued.
        """
        ...


def worker_lost(count: int) -> Failure:
    return Failure(
        f"{count} workers were lost while they worked on this job; see `endpoint jobs requeue`.",
        code="worker_lost",
        type="server_error",
    )
