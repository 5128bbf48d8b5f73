"""A store of jobs as a few dictionaries: what the real ones are compared with. Only who is next is left to them."""

from __future__ import annotations

from dataclasses import replace

from endpoint.errors import IdempotencyMismatch
from endpoint.jobs.job import MOST_LOST, RESULT_SECONDS, Claim, Job, Status
from endpoint.jobs.store import IDEMPOTENCY_SECONDS, LostClaim, Swept, worker_lost
from tests.jobs_support import Clock


class Model:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.jobs: dict[str, Job] = {}
        self.leases: dict[str, tuple[int, float]] = {}  # of running jobs: token, until
        self.keys: dict[tuple[str, str], tuple[str, float]] = {}  # by caller and key: job, expires at
        self.windows: dict[str, dict[int, bytes]] = {}
        self.results: dict[str, bytes] = {}
        self.events: dict[str, list[str]] = {}
        self.outbox: dict[str, list[str]] = {}  # by job: types
        self.usage: dict[str, int] = {}
        self.sources: set[str] = set()

    # ---- callers

    def submit(self, job: Job, key: str | None) -> Job:
        if key is not None:
            kept, until = self.keys.get((job.caller, key), ("", 0.0))
            if until > self.clock():
                if self.jobs[kept].fingerprint != job.fingerprint:
                    raise IdempotencyMismatch("")
                return self.jobs[kept]
            self.keys[job.caller, key] = job.id, self.clock() + IDEMPOTENCY_SECONDS
        self.jobs[job.id] = job
        self.events[job.id] = ["job.queued"]
        self.windows[job.id], self.outbox[job.id] = {}, []
        return job

    def cancel(self, job_id: str) -> Job | None:
        job = self.jobs.get(job_id)
        if job is not None and not job.status.final:
            return self.end(replace(job, status=Status.CANCELLED))
        return job

    def delete(self, job_id: str) -> Job | None:
        job = self.jobs.get(job_id)
        if job is not None:
            hooks = ["audio.job.cancelled"] if job.callback_url and not job.status.final else []
            self.forget(job)
            self.outbox[job_id] = hooks
        return job

    # ---- workers

    def claimed(self, claim: Claim) -> None:
        """The store chose this one."""
        job = self.jobs[claim.job.id]
        assert job.status is Status.QUEUED
        assert claim.job == replace(job, status=Status.RUNNING, attempts=job.attempts + 1)
        self.jobs[job.id] = claim.job
        self.leases[job.id] = claim.token, claim.until

    def held(self, claim: Claim) -> Job:
        if self.leases.get(claim.job.id, (0, 0.0))[0] != claim.token:
            raise LostClaim
        return self.jobs[claim.job.id]

    def renew(self, claim: Claim, seconds: float) -> Claim:
        job, until = self.held(claim), self.clock() + seconds
        self.leases[job.id] = claim.token, until
        return replace(claim, job=job, until=until)

    def update(self, claim: Claim, job: Job, kinds: list[str]) -> None:
        self.jobs[job.id] = replace(self.held(claim), files=job.files, started_at=job.started_at)
        self.events[job.id] += kinds

    def save_window(self, claim: Claim, window: int, data: bytes) -> None:
        self.windows[self.held(claim).id][window] = data

    def finish(self, claim: Claim, job: Job, result: bytes) -> None:
        self.held(claim)
        self.results[job.id] = result
        if job.status is Status.SUCCEEDED:
            self.usage[job.id] = job.audio_ms
        self.end(job)

    def release(self, claim: Claim) -> None:
        job = self.held(claim)
        self.jobs[job.id] = replace(job, status=Status.QUEUED)
        del self.leases[job.id]

    def requeue(self, job_id: str) -> Job | None:
        job = self.jobs.get(job_id)
        if job is None or job.status is not Status.FAILED:
            return None
        files = tuple(replace(file, status=Status.QUEUED, error=None, done_ms=0) for file in job.files)
        self.jobs[job_id] = replace(
            job,
            status=Status.QUEUED,
            files=files,
            lost=0,
            error=None,
            started_at=None,
            finished_at=None,
            expires_at=None,
        )
        self.results.pop(job_id, None)
        return self.jobs[job_id]

    def sweep(self) -> Swept:
        now, before = self.clock(), len(self.jobs)
        lost = [self.jobs[job_id] for job_id, (_, until) in self.leases.items() if until <= now]
        failed = [job for job in lost if job.lost + 1 >= MOST_LOST]
        for job in lost:
            count = job.lost + 1
            if job in failed:
                self.end(replace(job, status=Status.FAILED, lost=count, error=worker_lost(count)))
            else:
                self.jobs[job.id] = replace(job, status=Status.QUEUED, lost=count)
                del self.leases[job.id]
        for job in list(self.jobs.values()):
            if job.expires_at is not None and job.expires_at <= now:
                self.forget(job)
        self.keys = {key: (job, until) for key, (job, until) in self.keys.items() if until > now}
        return Swept(len(lost) - len(failed), len(failed), before - len(self.jobs), tuple(sorted(self.sources)))

    # ---- parts of several

    def end(self, job: Job) -> Job:
        now = self.clock()
        job = replace(job, finished_at=now, expires_at=now + RESULT_SECONDS)
        self.jobs[job.id] = job
        self.leases.pop(job.id, None)
        self.windows[job.id] = {}
        self.events[job.id].append(f"job.{job.status}")
        if job.callback_url is not None:
            self.outbox[job.id].append(f"audio.job.{job.status}")
        if job.status is not Status.FAILED:
            self.sources |= {file.source for file in job.files}
        return job

    def forget(self, job: Job) -> None:
        if job.status not in (Status.SUCCEEDED, Status.CANCELLED):
            self.sources |= {file.source for file in job.files}
        for kept in (self.jobs, self.leases, self.windows, self.results, self.events, self.outbox):
            kept.pop(job.id, None)  # type: ignore[attr-defined]
        self.keys = {key: value for key, value in self.keys.items() if value[0] != job.id}

    def sizes(self) -> dict[str, int]:
        statuses = [job.status for job in self.jobs.values()]
        return {
            "jobs": len(statuses),
            "queued": statuses.count(Status.QUEUED),
            "queued_ms": sum(job.audio_ms for job in self.jobs.values() if job.status is Status.QUEUED),
            "running": statuses.count(Status.RUNNING),
            "windows": sum(map(len, self.windows.values())),
            "results": len(self.results),
            "events": sum(map(len, self.events.values())),
            "outbox": sum(map(len, self.outbox.values())),
        }
