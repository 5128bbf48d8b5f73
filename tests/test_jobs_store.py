"""What every store of jobs does for callers and workers: endpoint.jobs.store."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from endpoint.call import Priority
from endpoint.errors import IdempotencyMismatch, StoreUnavailable
from endpoint.jobs.job import MOST_LOST, Claim, Failure, Job, JobFile, QueuePosition, Status
from endpoint.jobs.store import IDEMPOTENCY_SECONDS, JobStore, LostClaim
from tests.jobs_support import Clock, StoreFactory, make_job, succeeded

pytest_plugins = ["tests.jobs_contract"]


async def claimed(store: JobStore, owner: str = "worker") -> Claim:
    claim = await store.claim(owner, 30.0)
    assert claim is not None
    return claim


async def event_types(store: JobStore, job: Job) -> list[str]:
    events = await store.events(job.id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    return [event.type for event in events]


# ---- callers


async def test_opening_again_does_nothing_and_a_closed_store_is_unavailable(store: JobStore) -> None:
    await store.submit(make_job(1))
    await store.open()
    await store.ping()
    assert await store.get("job_000001") == make_job(1)
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.open()
    assert await store.get("job_000001") == make_job(1)


async def test_a_job_is_kept_as_it_was_given(store: JobStore) -> None:
    files = (JobFile("a.mp3", "source-a", guess_ms=5), JobFile("b", "https://example.test/b", url=True))
    job = make_job(1, files=files, metadata={"a": [1, {"ü": None}]}, priority=Priority.HIGH, fingerprint="f")
    assert await store.submit(job) == job
    assert await store.get(job.id) == job
    assert await store.get("job_none") is None
    (event,) = await store.events(job.id)
    assert (event.number, event.type, json.loads(event.data)["id"]) == (1, "job.queued", job.id)


async def test_only_queued_jobs_are_submitted(store: JobStore) -> None:
    with pytest.raises(ValueError, match="running"):
        await store.submit(make_job(1, status=Status.RUNNING))
    assert (await store.sizes())["jobs"] == 0


async def test_the_same_key_gives_the_same_job(store: JobStore, clock: Clock) -> None:
    first = await store.submit(make_job(1, fingerprint="f"), "key")
    assert await store.submit(make_job(2, fingerprint="f"), "key") == first
    with pytest.raises(IdempotencyMismatch) as caught:
        await store.submit(make_job(3, fingerprint="other"), "key")
    assert caught.value.code == "idempotency_mismatch"
    assert (await store.submit(make_job(4, caller="other", fingerprint="other"), "key")).id == "job_000004"
    assert [job.id for job in await store.list(None)] == ["job_000004", "job_000001"]
    clock.now += IDEMPOTENCY_SECONDS + 1
    assert (await store.submit(make_job(5, fingerprint="other"), "key")).id == "job_000005"
    await store.sweep()
    assert (await store.sizes())["keys"] == 1


async def test_a_key_goes_with_its_job(store: JobStore) -> None:
    await store.submit(make_job(1, fingerprint="f"), "key")
    await store.delete("job_000001")
    assert (await store.submit(make_job(2, fingerprint="other"), "key")).id == "job_000002"


async def test_jobs_are_listed_in_pages(store: JobStore) -> None:
    for number in range(6):
        await store.submit(make_job(number, caller="a" if number % 2 else "b"))
    await store.cancel("job_000003")

    async def numbers(*args: object, **kwargs: object) -> list[int]:
        return [int(job.id[4:]) for job in await store.list(*args, **kwargs)]  # type: ignore[arg-type]

    assert await numbers(None) == [5, 4, 3, 2, 1, 0]
    assert await numbers(None, order="asc", limit=2) == [0, 1]
    assert await numbers(None, order="asc", after="job_000001", limit=3) == [2, 3, 4]
    assert await numbers("a") == [5, 3, 1]
    assert await numbers("a", after="job_000005", limit=1) == [3]
    assert await numbers("a", Status.QUEUED) == [5, 1]
    assert await numbers(None, Status.CANCELLED) == [3]
    assert await numbers("nobody") == []


async def test_positions_count_the_jobs_before(store: JobStore) -> None:
    for number, priority in ((1, Priority.NORMAL), (2, Priority.HIGH), (3, Priority.NORMAL)):
        await store.submit(make_job(number, priority=priority))
    assert await store.position("job_000002") == QueuePosition(0, 0)
    assert await store.position("job_000001") == QueuePosition(1, 60_000)
    assert await store.position("job_000003") == QueuePosition(2, 120_000)
    await claimed(store)
    assert await store.position("job_000002") is None
    assert await store.position("job_none") is None
    assert await store.position("job_000001") == QueuePosition(0, 0)


async def test_a_queued_job_is_cancelled(store: JobStore, clock: Clock) -> None:
    await store.submit(make_job(1))
    clock.now += 5
    cancelled = await store.cancel("job_000001")
    assert cancelled == replace(
        make_job(1), status=Status.CANCELLED, finished_at=clock.now, expires_at=clock.now + 1000
    )
    assert await store.get("job_000001") == cancelled
    assert await event_types(store, cancelled) == ["job.queued", "job.cancelled"]
    assert await store.cancel("job_000001") == cancelled  # once
    assert len(await store.events("job_000001")) == 2
    assert await store.cancel("job_none") is None
    assert await store.claim("worker") is None


async def test_a_cancelled_job_is_lost_to_its_worker(store: JobStore) -> None:
    await store.submit(make_job(1))
    claim = await claimed(store)
    await store.save_window(claim, 0, 0, b"w")
    cancelled = await store.cancel("job_000001")
    await all_refused(store, claim)
    assert await store.get("job_000001") == cancelled
    assert await store.windows("job_000001", 0) == {}


async def all_refused(store: JobStore, claim: Claim) -> None:
    before = await store.sizes()
    for step in (
        store.renew(claim),
        store.update(claim, claim.job, [("x", b"{}")]),
        store.save_window(claim, 0, 9, b"late"),
        store.finish(claim, succeeded(claim.job), {0: b"late"}),
        store.release(claim),
    ):
        with pytest.raises(LostClaim):
            await step
    assert await store.sizes() == before


async def test_deleting_forgets_all_but_the_usage(store: JobStore) -> None:
    job = make_job(1, fingerprint="f", callback_url="https://example.test/hook")
    await store.submit(job, "key")
    await store.finish(await claimed(store), succeeded(job), {0: b"result"})
    kept = await store.get(job.id)
    assert await store.delete(job.id) == kept
    assert await store.delete(job.id) is None
    assert await store.get(job.id) is None
    assert await store.result(job.id, 0) is None
    assert await store.events(job.id) == []
    assert set((await store.sizes()).values()) == {0}
    assert await store.usage_rows() == [(job.id, job.caller, 50_000)]


async def test_deleting_a_running_job_cancels_it(store: JobStore) -> None:
    await store.submit(make_job(1, callback_url="https://example.test/hook"))
    claim = await claimed(store)
    deleted = await store.delete("job_000001")
    assert deleted == claim.job
    await all_refused(store, claim)
    (delivery,) = await store.take_deliveries("sender")
    assert json.loads(delivery.body)["type"] == "audio.job.cancelled"


# ---- workers


async def test_a_claim_is_a_lease(store: JobStore, clock: Clock) -> None:
    assert await store.claim("worker") is None
    await store.submit(make_job(1))
    claim = await claimed(store)
    assert claim.job == replace(make_job(1), status=Status.RUNNING, attempts=1)
    assert (claim.owner, claim.until) == ("worker", clock.now + 30)
    assert await store.get("job_000001") == claim.job
    assert await store.claim("other") is None
    clock.now += 20
    renewed = await store.renew(claim, 30)
    assert renewed == replace(claim, until=clock.now + 30)
    clock.now += 20
    assert (await store.sweep()).reclaimed == 0
    clock.now += 20
    await store.renew(claim)  # late, but nobody took it back


async def test_progress_is_kept_with_its_events(store: JobStore) -> None:
    await store.submit(make_job(1))
    claim = await claimed(store)
    files = (replace(claim.job.files[0], duration_ms=70_000, done_ms=30_000, status=Status.RUNNING),)
    job = replace(claim.job, files=files, started_at=7.0)
    await store.update(claim, job, [("job.a", b'{"a":1}'), ("job.b", b"{}")])
    await store.update(claim, job)
    assert await store.get(job.id) == job
    assert await event_types(store, job) == ["job.queued", "job.a", "job.b"]
    assert [event.data for event in await store.events(job.id, after=1, limit=1)] == [b'{"a":1}']
    assert await store.events(job.id, after=3) == []
    assert await store.events("job_none") == []


async def test_events_of_a_write_that_is_repeated_are_kept_once(store: JobStore) -> None:
    await store.submit(make_job(1))
    claim = await claimed(store)
    first = [("job.a", b"1"), ("job.b", b"2")]
    await store.update(claim, claim.job, first, after=1)
    await store.update(claim, claim.job, [*first, ("job.c", b"3")], after=1)  # more came meanwhile
    await store.update(claim, claim.job, first, after=1)
    assert [event.data for event in await store.events(claim.job.id, after=1)] == [b"1", b"2", b"3"]
    await store.update(claim, claim.job, first, after=4)  # the same again, on purpose
    assert await event_types(store, claim.job) == ["job.queued", "job.a", "job.b", "job.c", "job.a", "job.b"]


async def test_windows_are_kept_until_the_job_is_final(store: JobStore) -> None:
    await store.submit(make_job(1))
    claim = await claimed(store)
    for file, window, data in ((0, 1, b"b"), (0, 0, b"a"), (1, 0, b"\x00\xff"), (0, 1, b"again")):
        await store.save_window(claim, file, window, data)
    assert await store.windows("job_000001", 0) == {0: b"a", 1: b"again"}
    assert await store.windows("job_000001", 1) == {0: b"\x00\xff"}
    await store.release(claim)
    claim = await claimed(store)
    assert (await store.sizes())["windows"] == 3
    await store.finish(claim, succeeded(claim.job), {})
    assert await store.windows("job_000001", 0) == {}
    assert (await store.sizes())["windows"] == 0


async def test_a_finished_job_has_results_usage_and_its_last_event(store: JobStore, clock: Clock) -> None:
    await store.submit(make_job(1))
    claim = await claimed(store)
    clock.now += 9
    job = succeeded(claim.job)
    await store.finish(claim, job, {0: b"\x00result", 1: b""})
    kept = replace(job, finished_at=clock.now, expires_at=clock.now + 1000)
    assert await store.get(job.id) == kept
    assert await store.result(job.id, 0) == b"\x00result"
    assert await store.result(job.id, 1) == b""
    assert await store.result(job.id, 2) is None
    assert await store.usage_rows() == await store.usage_rows(job.caller) == [(job.id, job.caller, 50_000)]
    assert await store.usage_rows("nobody") == []
    assert await event_types(store, job) == ["job.queued", "job.succeeded"]
    assert json.loads((await store.events(job.id))[-1].data)["finished_at"] == int(clock.now)
    await all_refused(store, claim)


async def test_usage_is_read_in_pages(store: JobStore) -> None:
    for number in range(7):
        await store.submit(make_job(number, caller="b" if number == 3 else "a\0a"))
        claim = await claimed(store)
        await store.finish(claim, succeeded(claim.job, 1000 + number), {})
    pages, after = list[list[int]](), ""
    while page := await store.usage_rows(after=after, limit=3):
        pages.append([milliseconds - 1000 for _, _, milliseconds in page])
        after = page[-1][0]
    assert pages == [[0, 1, 2], [3, 4, 5], [6]]
    theirs = await store.usage_rows("a\0a", "job_000001", 3)
    assert theirs == [(f"job_{number:06d}", "a\0a", 1000 + number) for number in (2, 4, 5)]
    assert await store.usage_rows("b") == [("job_000003", "b", 1003)]
    assert await store.usage_rows("b", "job_000003") == await store.usage_rows(limit=0) == []


async def test_a_moment_that_the_worker_names_stays(store: JobStore) -> None:
    await store.submit(make_job(1))
    claim = await claimed(store)
    with pytest.raises(ValueError, match="running"):
        await store.finish(claim, claim.job, {})
    error = Failure("damaged", "invalid_audio")
    await store.finish(claim, replace(claim.job, status=Status.FAILED, error=error, finished_at=5.0), {})
    kept = await store.get("job_000001")
    assert kept is not None
    assert (kept.finished_at, kept.expires_at, kept.error) == (5.0, 1005.0, error)
    assert await store.usage_rows() == []
    assert await event_types(store, kept) == ["job.queued", "job.failed"]


async def test_a_released_job_has_its_old_position(store: JobStore) -> None:
    for number, caller in ((1, "a"), (2, "a"), (3, "b")):
        await store.submit(make_job(number, caller=caller))
    first = await claimed(store)
    await store.release(first)
    again = await claimed(store)
    assert again.job == replace(first.job, attempts=2)
    assert again.token > first.token
    await all_refused(store, first)
    await store.renew(again)


async def test_a_failed_job_gets_another_chance(store: JobStore, clock: Clock) -> None:
    await store.submit(make_job(1))
    assert await store.requeue("job_000001") is None  # it has not failed
    assert await store.requeue("job_none") is None
    for _ in range(MOST_LOST):
        await claimed(store)
        clock.now += 31
        await store.sweep()
    assert (await store.sweep()).sources == ()  # they are needed still
    queued = await store.requeue("job_000001")
    assert queued is not None
    assert (queued.status, queued.lost, queued.error, queued.finished_at) == (Status.QUEUED, 0, None, None)
    assert await store.get("job_000001") == queued
    clock.now += 2000
    assert (await store.sweep()).expired == 0
    claim = await claimed(store)
    await store.finish(claim, succeeded(claim.job), {0: b"result"})
    assert (await store.sweep()).sources == ("source-1",)


async def test_another_chance_starts_anew(store: JobStore) -> None:
    await store.submit(make_job(1))
    claim = await claimed(store)
    (file,) = claim.job.files
    error = Failure("damaged", "invalid_audio")
    files = (replace(file, done_ms=5, status=Status.FAILED, error=error),)
    await store.finish(claim, replace(claim.job, status=Status.FAILED, files=files, error=error), {0: b"part"})
    assert await store.result("job_000001", 0) == b"part"
    queued = await store.requeue("job_000001")
    assert queued is not None
    assert queued.files == (file,)
    assert await store.result("job_000001", 0) is None


async def test_stores_hold_nothing_of_each_other(store_factory: StoreFactory) -> None:
    one, other = store_factory(), store_factory()
    await one.open()
    await other.open()
    await one.submit(make_job(1))
    assert await other.list(None) == []
    await one.close()
    await other.close()
