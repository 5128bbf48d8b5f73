"""Submitting, cancelling and deleting jobs: which files are kept, and which are not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from endpoint.errors import IdempotencyMismatch, JobNotFound, StoreUnavailable
from endpoint.jobs.job import BYTES_PER_SECOND, Job, Status
from endpoint.jobs.service import fingerprint
from endpoint.memfile import MemoryFile
from tests.jobs_memory import MemorySpool, MemoryStore, end_next, memory_jobs

JOB = Job("job_1", (), fingerprint="f")


@dataclass(frozen=True)
class Sent:
    name: str = "a.wav"
    data: MemoryFile = field(default_factory=lambda: MemoryFile(b"sound"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def spool() -> MemorySpool:
    return MemorySpool()


async def test_files_go_first_then_the_job_then_the_worker_is_woken(store: MemoryStore, spool: MemorySpool) -> None:
    seen = list[tuple[int, int]]()
    jobs = memory_jobs(store=store, spool=spool, wake=lambda: seen.append((len(spool.files), len(store.jobs))))
    job = await jobs.submit(JOB, [Sent(), Sent("b.wav", MemoryFile(bytes(BYTES_PER_SECOND)))], ["http://x/c.wav"])
    assert job == store.jobs["job_1"]
    assert [(file.name, file.url, file.guess_ms) for file in job.files] == [
        ("a.wav", False, 0), ("b.wav", False, 1000), ("http://x/c.wav", True, 0),
    ]  # fmt: skip
    assert [file.source for file in job.files] == [*spool.files, "http://x/c.wav"]
    assert seen == [(2, 1)]


async def test_a_repeated_submission_leaves_no_files(store: MemoryStore, spool: MemorySpool) -> None:
    jobs = memory_jobs(store=store, spool=spool)
    first = await jobs.submit(JOB, [Sent()], idempotency_key="k")
    again = await jobs.submit(replace(JOB, id="job_2"), [Sent(), Sent()], idempotency_key="k")
    assert again == first
    with pytest.raises(IdempotencyMismatch):
        await jobs.submit(replace(JOB, id="job_3", fingerprint="g"), [Sent()], idempotency_key="k")
    assert list(spool.files) == [first.files[0].source]


async def test_a_spool_that_fails_on_the_way_leaves_nothing(store: MemoryStore, spool: MemorySpool) -> None:
    class Full(MemorySpool):
        async def put(self, data: MemoryFile) -> str:
            if self.files:
                raise StoreUnavailable("full")
            return await super().put(data)

    full = Full()
    with pytest.raises(StoreUnavailable):
        await memory_jobs(store=store, spool=full).submit(JOB, [Sent(), Sent()])
    assert not full.files
    assert not store.jobs


class Doubtful(MemoryStore):
    """Says it is away when a job is submitted. kept: whether it has it nevertheless. gone: whether it stays away."""

    kept, gone = False, False

    async def submit(self, job: Job, idempotency_key: str | None = None) -> Job:
        if self.kept:
            await super().submit(job, idempotency_key)
        self.down = self.gone
        raise StoreUnavailable("no response in time")


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("gone", [False, True])
async def test_files_stay_while_the_job_may_be_there(spool: MemorySpool, kept: bool, gone: bool) -> None:
    store = Doubtful()
    store.kept, store.gone = kept, gone
    jobs = memory_jobs(store=store, spool=spool)
    if kept and not gone:
        assert (await jobs.submit(JOB, [Sent()])).id == "job_1"
    else:
        with pytest.raises(StoreUnavailable):
            await jobs.submit(JOB, [Sent()])
    assert bool(spool.files) == (kept or gone)


async def test_a_caller_that_leaves_while_the_store_writes(spool: MemorySpool) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def submit(self, job: Job, idempotency_key: str | None = None) -> Job:
            begun.set()
            await go_on.wait()
            return await super().submit(job, idempotency_key)

    store = Slow()
    submitting = asyncio.create_task(memory_jobs(store=store, spool=spool).submit(JOB, [Sent()]))
    await begun.wait()
    submitting.cancel()
    await asyncio.sleep(0)
    assert not submitting.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert list(store.jobs) == ["job_1"]
    assert len(spool.files) == 1


async def test_a_caller_that_leaves_while_files_are_written(store: MemoryStore) -> None:
    begun = asyncio.Event()

    class Slow(MemorySpool):
        async def put(self, data: MemoryFile) -> str:
            if self.files:
                begun.set()
                await asyncio.Event().wait()
            return await super().put(data)

    spool = Slow()
    submitting = asyncio.create_task(memory_jobs(store=store, spool=spool).submit(JOB, [Sent(), Sent()]))
    await begun.wait()
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert not spool.files
    assert not store.jobs


async def test_cancelling_and_deleting_drop_the_files(store: MemoryStore, spool: MemorySpool) -> None:
    jobs = memory_jobs(store=store, spool=spool)
    job = await jobs.submit(JOB, [Sent()], ["http://x/c.wav"])
    assert (await jobs.cancel("job_1")).status is Status.CANCELLED
    assert not spool.files
    assert store.forgotten == [job.files[0].source]
    await jobs.submit(replace(JOB, id="job_2"), [Sent()])
    await jobs.delete("job_2")
    await jobs.delete("job_2")
    assert not spool.files
    with pytest.raises(JobNotFound):
        await jobs.cancel("job_2")


async def test_a_job_that_ended_keeps_what_it_has_when_it_is_cancelled(store: MemoryStore, spool: MemorySpool) -> None:
    jobs = memory_jobs(store=store, spool=spool)
    await jobs.submit(JOB, [Sent()])
    ended = await end_next(store)
    assert await jobs.cancel("job_1") == ended
    assert spool.files


async def test_fingerprints() -> None:
    sent = [Sent(data=MemoryFile(b"x" * 3_000_000)), Sent()]
    first = await fingerprint([("b", "1"), ("a", "2"), ("a", "3")], sent)
    assert first == await fingerprint([("a", "2"), ("a", "3"), ("b", "1")], sent)
    assert first != await fingerprint([("a", "3"), ("a", "2"), ("b", "1")], sent)
    assert first != await fingerprint([("b", "1"), ("a", "2"), ("a", "3")], sent[::-1])
    other = [Sent(data=MemoryFile(b"x" * 2_999_999 + b"y")), Sent()]
    assert first != await fingerprint([("b", "1"), ("a", "2"), ("a", "3")], other)
    assert first == await fingerprint([("b", "1"), ("a", "2"), ("a", "3")], [Sent("other.wav", sent[0].data), Sent()])
