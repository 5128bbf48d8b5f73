"""Jobs in Redis 7 or newer, or in Valkey, for workers on many machines.

Each step is one script of endpoint.jobs.redis_scripts. A step that needs more of a job than scripts know, as its
webhook, is given it from here, for the version of the job that was read before; where another step came between, it is
read again. All keys have one hash tag, so that they are in one slot of a cluster.

What was written outlives a killed server with `appendonly yes`, a power cut with `appendfsync always` as well. The
server is to have `maxmemory-policy noeviction`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from endpoint.errors import IdempotencyMismatch, StoreUnavailable
from endpoint.jobs import redis_scripts
from endpoint.jobs import redis_values as values
from endpoint.jobs.job import MOST_LOST, RESULT_SECONDS, Claim, Delivery, Event, Job, QueuePosition, Status
from endpoint.jobs.redis_values import read_delivery, read_job, write_delivery, write_event, write_job
from endpoint.jobs.store import IDEMPOTENCY_SECONDS, LEASE_SECONDS, LostClaim, Swept, worker_lost
from endpoint.jobs.view import dumps, job_object, last_event
from endpoint.stores.redis import RedisClient, Value, in_time

TRIES = 10  # for a job that changes all the time
NOTHING: tuple[str, int] = ("", 0)
SIZES = ("jobs", "queued", "running", "windows", "results", "events", "outbox", "keys", "queued_ms")


class RedisStore:
    """A JobStore. clock: of tests; without one, the server's time counts. prefix: of all keys."""

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] | None = None,
        result_seconds: float = RESULT_SECONDS,
        prefix: str = "whisper:",
    ) -> None:
        self._result_seconds = result_seconds
        self._client = RedisClient(url, f"{{{prefix}}}", clock, redis_scripts.load())

    @in_time
    async def open(self) -> None:
        """Raises ConfigError where the server is too old."""
        await self._client.open()

    @in_time
    async def close(self) -> None:
        await self._client.close()

    @in_time
    async def ping(self) -> None:
        await self._client.command("PING")

    # ---- callers

    @in_time
    async def submit(self, job: Job, idempotency_key: str | None = None) -> Job:
        if job.status is not Status.QUEUED:
            raise ValueError(f"a job that is {job.status} cannot be submitted")
        key = "" if idempotency_key is None else f"{job.caller}\0{idempotency_key}"
        kept = await self._client.run(
            "submit",
            *(job.id, write_job(job), job.caller, int(job.priority), job.audio_ms, values.sources(job), len(job.files)),
            *(write_event("job.queued", dumps(job_object(job))), key, IDEMPOTENCY_SECONDS),
        )
        found = job if kept is None else read_job(kept)
        if idempotency_key is not None and found.fingerprint != job.fingerprint:
            raise IdempotencyMismatch("The idempotency key was used for another request.", param="idempotency_key")
        return found

    @in_time
    async def get(self, job_id: str) -> Job | None:
        seen = await self._client.run("read", job_id)
        return seen and read_job(seen)

    @in_time
    async def list(
        self,
        caller: str | None,
        status: Status | None = None,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Sequence[Job]:
        one = ("0", "") if caller is None else ("1", caller)
        found = await self._client.run("list", *one, status.value if status else "", after or "", max(0, limit), order)
        return [read_job(fields) for fields in found]

    @in_time
    async def position(self, job_id: str) -> QueuePosition | None:
        found = await self._client.run("position", job_id)
        return found and QueuePosition(*found)

    @in_time
    async def result(self, job_id: str, file: int) -> bytes | None:
        data: bytes | None = await self._client.command("HGET", self._client.key("results", job_id), file)
        return data

    @in_time
    async def events(self, job_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        if limit <= 0:
            return []
        found = await self._client.command("LRANGE", self._client.key("events", job_id), after, after + limit - 1)
        return [values.read_event(number, written) for number, written in enumerate(found, after + 1)]

    @in_time
    async def cancel(self, job_id: str) -> Job | None:
        for _ in range(TRIES):
            if (seen := await self._read(job_id)) is None:
                return None
            job, version, now = seen
            if job.status.final:
                return job
            cancelled = self._cancelled(job, now)
            if await self._end(cancelled, version=version):
                return cancelled
        raise _busy()

    @in_time
    async def delete(self, job_id: str) -> Job | None:
        for _ in range(TRIES):
            if (seen := await self._read(job_id)) is None:
                return None
            job, version, now = seen
            webhook = values.webhook(None if job.status.final else self._cancelled(job, now))
            if await self._client.run("delete", job_id, version, *webhook):
                return job
        raise _busy()

    # ---- workers

    @in_time
    async def claim(self, owner: str, seconds: float = LEASE_SECONDS) -> Claim | None:
        found = await self._client.run("claim", owner, seconds)
        return found and Claim(read_job(found), owner, int(found[5]), float(found[6]))

    @in_time
    async def renew(self, claim: Claim, seconds: float = LEASE_SECONDS) -> Claim:
        found = await self._client.run("renew", *_right(claim), seconds)
        if found is None:
            raise LostClaim(claim.job.id)
        return replace(claim, job=read_job(found), until=float(found[5]))

    @in_time
    async def update(
        self, claim: Claim, job: Job, events: Sequence[tuple[str, bytes]] = (), after: int | None = None
    ) -> None:
        kept = replace(claim.job, files=job.files, started_at=job.started_at)
        written = (write_event(kind, data) for kind, data in events)
        known = "" if after is None else after
        await self._held("update", claim, write_job(kept), kept.audio_ms, values.sources(kept), known, *written)

    @in_time
    async def save_window(self, claim: Claim, file: int, window: int, data: bytes) -> None:
        await self._held("save_window", claim, file, window, data)

    @in_time
    async def windows(self, job_id: str, file: int) -> Mapping[int, bytes]:
        found = await self._client.command("HGETALL", self._client.key("windows", job_id, str(file)))
        return {int(window): found[window] for window in sorted(found, key=int)}

    @in_time
    async def finish(self, claim: Claim, job: Job, results: Mapping[int, bytes]) -> None:
        if not job.status.final:
            raise ValueError(f"a job that is {job.status} is not finished")
        now = await self._client.time() if job.finished_at is None else job.finished_at
        job = values.final(replace(job, attempts=claim.job.attempts), now, self._result_seconds)
        if not await self._end(job, (claim.owner, claim.token), results=results):
            raise LostClaim(claim.job.id)

    @in_time
    async def release(self, claim: Claim) -> None:
        await self._held("release", claim)

    @in_time
    async def requeue(self, job_id: str) -> Job | None:
        for _ in range(TRIES):
            if (seen := await self._read(job_id)) is None:
                return None
            job, version, _ = seen
            if job.status is not Status.FAILED:
                return None
            queued = values.queued_again(job)
            if await self._client.run("requeue", job_id, version, write_job(queued), queued.audio_ms):
                return queued
        raise _busy()

    @in_time
    async def sweep(self, limit: int = 100) -> Swept:
        found = await self._client.run("sweep", limit, MOST_LOST, self._result_seconds)
        reclaimed, lost, expired, orphans, now = found
        failed = await asyncio.gather(*(self._fail(fields, float(now)) for fields in lost))
        return Swept(reclaimed, sum(failed), expired, tuple(sorted(source.decode() for source in orphans)))

    async def _fail(self, fields: Sequence[bytes], now: float) -> bool:
        """A job that has lost too many workers; unless its worker shows itself after all."""
        job = read_job(fields)
        lost = job.lost + 1
        job = replace(job, status=Status.FAILED, lost=lost, error=worker_lost(lost))
        return await self._end(values.final(job, now, self._result_seconds), version=fields[4])

    @in_time
    async def forget_sources(self, sources: Sequence[str]) -> None:
        await self._client.run("forget_sources", *sources)

    # ---- webhooks

    @in_time
    async def take_deliveries(self, owner: str, limit: int = 10, seconds: float = LEASE_SECONDS) -> Sequence[Delivery]:
        return [read_delivery(document) for document in await self._client.run("take_deliveries", limit, seconds)]

    @in_time
    async def delivered(self, delivery: Delivery) -> None:
        await self._client.run("delivered", delivery.id)

    @in_time
    async def not_delivered(self, delivery: Delivery, failed: str, due: float | None) -> None:
        attempts = delivery.attempts
        kept = replace(delivery, attempts=attempts + 1, failed=failed, due=delivery.due if due is None else due)
        moment = "" if due is None else due
        await self._client.run(
            "not_delivered", delivery.id, attempts, write_delivery(kept), moment, delivery.created_at
        )

    @in_time
    async def failed_deliveries(self, limit: int = 100) -> Sequence[Delivery]:
        return [read_delivery(document) for document in await self._client.run("failed_deliveries", limit)]

    @in_time
    async def replay_delivery(self, delivery_id: str) -> bool:
        document = await self._client.command("HGET", self._client.key("outbox"), delivery_id)
        if document is None:
            return False
        delivery = replace(read_delivery(document), due=await self._client.time())
        return bool(await self._client.run("replay_delivery", delivery_id, write_delivery(delivery), delivery.due))

    # ---- accounts

    @in_time
    async def usage_rows(
        self, caller: str | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str, int]]:
        found = await self._client.run("usage", *(("0", "") if caller is None else ("1", caller)), after, max(0, limit))
        return [values.read_usage(row) for row in found]

    @in_time
    async def sizes(self) -> Mapping[str, int]:
        return dict(zip(SIZES, await self._client.run("sizes"), strict=True))

    # ---- Redis

    async def _held(self, script: str, claim: Claim, *args: Value) -> None:
        if not await self._client.run(script, *_right(claim), *args):
            raise LostClaim(claim.job.id)

    async def _read(self, job_id: str) -> tuple[Job, Value, float] | None:
        """(job, version, time)"""
        seen = await self._client.run("read", job_id)
        return seen and (read_job(seen), seen[4], float(seen[5]))

    def _cancelled(self, job: Job, now: float) -> Job:
        return values.final(replace(job, status=Status.CANCELLED), now, self._result_seconds)

    async def _end(
        self,
        job: Job,
        right: tuple[str, int] = NOTHING,
        *,
        version: Value = "",
        results: Mapping[int, bytes] | None = None,
    ) -> bool:
        """Keep a final job. right: owner and token of the claim; or version: the one that was read."""
        usage = job.audio_ms if job.status is Status.SUCCEEDED else ""
        done = await self._client.run(
            "finish",
            *(job.id, *right, version, write_job(job), job.status.value, job.expires_at or 0, values.sources(job)),
            *(job.lost, write_event(*last_event(job)), *values.webhook(job), usage, values.usage(job)),
            *(value for pair in (results or {}).items() for value in pair),
        )
        return bool(done)


def _right(claim: Claim) -> tuple[str, str, int]:
    return claim.job.id, claim.owner, claim.token


def _busy() -> StoreUnavailable:
    return StoreUnavailable("The job changes all the time.")
