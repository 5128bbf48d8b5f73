"""What is special to jobs in Redis: they outlive the server, leave nothing behind, and follow the server's clock."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from endpoint.errors import StoreUnavailable
from endpoint.jobs.job import Claim, Failure, Job, JobFile, QueuePosition, Status
from endpoint.jobs.redis import RedisStore
from endpoint.jobs.store import JobStore
from tests.redis_server import RedisProcess

pytestmark = pytest.mark.usefixtures("patient_redis")
JOBS = 3000
ALWAYS_THERE = {"numbers", "usage", "usage_rows"}  # counters, and accounts, which outlive the jobs


def a_job(number: int, caller: str = "someone", audio_ms: int = 1000, callback_url: str | None = None) -> Job:
    files = (JobFile(f"{number}.wav", f"spool/{number}", guess_ms=audio_ms),)
    return Job(f"job_{number:08d}", files, caller=caller, created_at=1000.0 + number, callback_url=callback_url)


async def claimed(store: JobStore) -> Claim:
    claim = await store.claim("worker")
    assert claim is not None
    return claim


async def back(store: JobStore) -> None:
    """The connections of before have failed by now."""
    end = time.monotonic() + 30
    while True:
        try:
            return await store.ping()
        except StoreUnavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)


def done(claim: Claim) -> Job:
    return replace(claim.job, status=Status.SUCCEEDED)


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex}:"


@pytest.fixture
async def store(redis_url: str, prefix: str) -> AsyncIterator[RedisStore]:
    made = RedisStore(redis_url, prefix=prefix)
    await made.open()
    yield made
    await made.close()


async def kinds_of_keys(url: str, prefix: str) -> set[str]:
    async with Redis.from_url(url) as client:
        keys = [key.decode() async for key in client.scan_iter(match=f"{{{prefix}}}*", count=10_000)]
    return {key.partition("}")[2].partition(":")[0] for key in keys}


async def test_accepted_jobs_outlive_a_killed_server(redis_program: str, tmp_path: Path) -> None:
    server = RedisProcess(redis_program, tmp_path)
    server.start()
    try:
        store = RedisStore(server.url)
        await store.open()
        for number in range(200):
            await store.submit(a_job(number), f"key-{number}")
        claim = await claimed(store)
        await store.save_window(claim, 0, 3, b"checkpoint")
        before, sizes = await store.list(None, limit=1000), await store.sizes()
        server.kill()
        server.start()
        await back(store)
        assert await store.list(None, limit=1000) == before
        assert await store.sizes() == sizes
        assert await store.windows(claim.job.id, 0) == {3: b"checkpoint"}
        await store.finish(claim, done(claim), {0: b"result"})
        server.restart()
        await back(store)
        assert await store.result(claim.job.id, 0) == b"result"
        await store.close()
    finally:
        server.kill()


async def test_the_servers_clock_counts(store: RedisStore) -> None:
    await store.submit(a_job(1))
    before = time.time()
    claim = await store.claim("worker", 5.0)
    assert claim is not None
    assert before + 4 < claim.until < time.time() + 6
    assert (await store.renew(claim, 0.0)).until < time.time() + 1
    assert (await store.sweep()).reclaimed == 1
    cancelled = await store.cancel("job_00000001")
    assert cancelled is not None
    assert cancelled.finished_at == pytest.approx(time.time(), abs=5)


async def test_what_has_expired_leaves_nothing_but_accounts(redis_url: str, prefix: str) -> None:
    now = 1000.0
    store = RedisStore(redis_url, clock=lambda: now, result_seconds=10.0, prefix=prefix)
    await store.open()
    for number in range(300):
        job = a_job(number, f"caller-{number}", callback_url="https://example.test/" if number % 2 else None)
        await store.submit(job, f"key-{number}" if number % 3 else None)
    for number in range(300):
        claim = await claimed(store)
        await store.update(claim, claim.job, [("job.progress", b"{}")])
        await store.save_window(claim, 0, 0, b"checkpoint")
        failed = replace(claim.job, status=Status.FAILED, error=Failure("no", "no"))
        await store.finish(claim, done(claim) if number % 5 else failed, {0: b"result"})
    for delivery in await store.take_deliveries("sender", limit=3):
        await store.not_delivered(delivery, "refused", None)
    now += 90_000.0
    swept = await store.sweep(1000)
    assert swept.expired == 300
    assert len(swept.sources) == 300
    await store.forget_sources(swept.sources)
    assert set((await store.sizes()).values()) == {0}
    assert await kinds_of_keys(redis_url, prefix) <= ALWAYS_THERE
    assert len(await store.usage_rows()) == 240
    await store.close()


async def test_thousands_of_jobs_leave_nothing(redis_url: str, prefix: str) -> None:
    """Of which few are there at a time. A hundred thousand were tried by hand: JOBS = 100_000 took three minutes."""
    now = 1000.0
    store = RedisStore(redis_url, clock=lambda: now, result_seconds=1.0, prefix=prefix)
    await store.open()
    for first in range(0, JOBS, 50):
        for number in range(first, first + 50):
            await store.submit(a_job(number, f"caller-{number % 7}"))
        for _ in range(50):
            claim = await claimed(store)
            await store.finish(claim, done(claim), {0: b"result"})
        now += 2
        await store.forget_sources((await store.sweep(1000)).sources)
    assert set((await store.sizes()).values()) == {0}
    assert await kinds_of_keys(redis_url, prefix) <= ALWAYS_THERE
    await store.close()


async def test_positions_are_those_at_which_jobs_are_claimed(store: RedisStore) -> None:
    """With callers that have had turns before, equal and different lengths, and jobs without any."""
    choose = random.Random(7)
    for number in range(60):
        await store.submit(a_job(number, choose.choice("abcd"), choose.choice((0, 1000, 1000, 3000))))
    for _ in range(15):
        await claimed(store)
    waiting = await store.list(None, Status.QUEUED, limit=100)
    positions = {job.id: await store.position(job.id) for job in waiting}
    ahead = 0
    for position in range(45):
        job = (await claimed(store)).job
        assert positions[job.id] == QueuePosition(position, ahead)
        ahead += job.audio_ms


async def test_a_job_of_thousands_of_files(store: RedisStore) -> None:
    job = replace(a_job(1), files=tuple(JobFile(f"{number}", f"spool/{number}") for number in range(9000)))
    await store.submit(job)
    claim = await claimed(store)
    await store.finish(claim, done(claim), dict.fromkeys(range(9000), b"r"))
    assert (await store.sizes())["results"] == 9000
    assert len((await store.sweep(10_000)).sources) == 9000
    await store.delete(job.id)
    assert set((await store.sizes()).values()) == {0}
