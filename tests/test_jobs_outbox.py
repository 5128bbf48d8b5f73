"""What every store of jobs does for webhooks, and what it sweeps away."""

from __future__ import annotations

import json
from dataclasses import replace

from endpoint.jobs.job import MOST_LOST, Delivery, Failure, JobFile, Status
from endpoint.jobs.store import JobStore, worker_lost
from tests.jobs_support import Clock, make_job, succeeded

pytest_plugins = ["tests.jobs_contract"]

HOOK = "https://example.test/hook"


async def cancelled(store: JobStore, number: int) -> None:
    await store.submit(make_job(number, callback_url=HOOK))
    await store.cancel(f"job_{number:06d}")


async def taken(store: JobStore, owner: str = "sender") -> Delivery:
    (delivery,) = await store.take_deliveries(owner)
    return delivery


# ---- webhooks


async def test_the_end_of_a_job_is_to_be_delivered(store: JobStore, clock: Clock) -> None:
    await store.submit(make_job(1, callback_url=HOOK, metadata={"a": 1}))
    await store.submit(make_job(2))
    for _ in range(2):
        claim = await store.claim("worker")
        assert claim is not None
        await store.finish(claim, succeeded(claim.job), {})
    delivery = await taken(store)
    assert (delivery.job, delivery.url, delivery.attempts, delivery.failed) == ("job_000001", HOOK, 0, None)
    assert (delivery.created_at, delivery.due) == (clock.now, clock.now)
    body = json.loads(delivery.body)
    assert (body["type"], body["data"]["metadata"]) == ("audio.job.succeeded", {"a": 1})
    assert await store.take_deliveries("other") == []  # leased
    await store.delivered(delivery)
    clock.now += 100
    assert await store.take_deliveries("other") == []
    assert (await store.sizes())["outbox"] == 0


async def test_a_sender_that_was_lost_is_followed_by_another(store: JobStore, clock: Clock) -> None:
    await cancelled(store, 1)
    first = await taken(store)
    clock.now += 31
    assert await taken(store, "other") == first


async def test_what_was_not_delivered_is_tried_again(store: JobStore, clock: Clock) -> None:
    await cancelled(store, 1)
    first = await taken(store)
    await store.not_delivered(first, "HTTP 500", clock.now + 60)
    clock.now += 59
    assert await store.take_deliveries("sender") == []
    clock.now += 2
    second = await taken(store)
    assert second == replace(first, attempts=1, failed="HTTP 500", due=clock.now - 1)
    await store.not_delivered(second, "no route", None)
    clock.now += 100
    assert await store.take_deliveries("sender") == []
    (given_up,) = await store.failed_deliveries()
    assert (given_up.id, given_up.attempts, given_up.failed, given_up.body) == (first.id, 2, "no route", first.body)


async def test_a_failed_one_is_replayed(store: JobStore) -> None:
    await cancelled(store, 1)
    delivery = await taken(store)
    assert not await store.replay_delivery(delivery.id)  # it has not failed
    assert not await store.replay_delivery("msg_none")
    await store.not_delivered(delivery, "HTTP 500", None)
    assert await store.replay_delivery(delivery.id)
    assert await store.failed_deliveries() == []
    again = await taken(store)
    assert again.id == delivery.id
    await store.delivered(again)
    assert not await store.replay_delivery(delivery.id)


async def test_deliveries_are_taken_in_turn_and_no_more_than_asked_for(store: JobStore, clock: Clock) -> None:
    for number in range(5):
        await cancelled(store, number)
        clock.now += 1
    jobs = [[delivery.job for delivery in await store.take_deliveries("sender", limit=2)] for _ in range(4)]
    assert jobs == [["job_000000", "job_000001"], ["job_000002", "job_000003"], ["job_000004"], []]
    clock.now += 31
    for delivery in await store.take_deliveries("sender"):
        await store.not_delivered(delivery, "HTTP 410", None)
    assert len(await store.failed_deliveries(limit=3)) == 3
    assert len(await store.failed_deliveries()) == 5


# ---- sweeping


async def test_a_lost_worker_is_followed_by_another_and_the_job_fails_at_last(store: JobStore, clock: Clock) -> None:
    await store.submit(make_job(1, callback_url=HOOK))
    claims = []
    for lost in range(MOST_LOST):
        claim = await store.claim("worker")
        assert claim is not None
        assert claim.job.lost == lost
        claims.append(claim)
        await store.save_window(claim, 0, lost, b"kept")
        assert len(await store.windows("job_000001", 0)) == lost + 1
        clock.now += 31
        swept = await store.sweep()
        assert (swept.reclaimed, swept.failed) == ((1, 0) if lost < MOST_LOST - 1 else (0, 1))
    assert [claim.token for claim in claims] == sorted({claim.token for claim in claims})
    job = await store.get("job_000001")
    assert job is not None
    assert (job.status, job.error, job.lost) == (Status.FAILED, worker_lost(MOST_LOST), MOST_LOST)
    assert (job.finished_at, job.expires_at) == (clock.now, clock.now + 1000)
    assert (await store.events(job.id))[-1].type == "job.failed"
    assert json.loads((await taken(store)).body)["type"] == "audio.job.failed"
    assert await store.windows(job.id, 0) == {}
    assert await store.claim("worker") is None


async def test_what_has_expired_is_forgotten_but_not_its_usage(store: JobStore, clock: Clock) -> None:
    await store.submit(make_job(1, callback_url=HOOK), "key")
    claim = await store.claim("worker")
    assert claim is not None
    await store.finish(claim, succeeded(claim.job), {0: b"result"})
    await store.submit(make_job(2))
    clock.now += 999
    assert (await store.sweep()).expired == 0
    assert await store.result("job_000001", 0) == b"result"
    clock.now += 2
    assert (await store.sweep()).expired == 1
    assert await store.get("job_000001") is None
    assert await store.result("job_000001", 0) is None
    assert await store.events("job_000001") == []
    left = {"jobs": 1, "queued": 1, "queued_ms": 60_000, "events": 1}  # of the other one
    assert {name: size for name, size in (await store.sizes()).items() if size} == left
    assert [row[0] for row in await store.usage_rows()] == ["job_000001"]


async def test_sources_are_named_until_they_are_forgotten(store: JobStore, clock: Clock) -> None:
    files = (JobFile("a", "source-a"), JobFile("b", "https://example.test/b", url=True), JobFile("c", "source-c"))
    await store.submit(make_job(1, files=files))
    for number in (2, 3, 4, 5):
        await store.submit(make_job(number))
    assert (await store.sweep()).sources == ()
    claim = await store.claim("worker")
    assert claim is not None
    await store.finish(claim, succeeded(claim.job), {})
    assert set((await store.sweep()).sources) == {"source-a", "source-c"}
    await store.cancel("job_000002")
    await store.delete("job_000003")
    claim = await store.claim("worker")
    assert claim is not None
    await store.finish(claim, replace(claim.job, status=Status.FAILED, error=Failure("no", "no")), {})
    expected = {"source-a", "source-c", "source-2", "source-3"}
    assert set((await store.sweep()).sources) == set((await store.sweep()).sources) == expected
    assert len((await store.sweep(limit=3)).sources) == 3
    await store.forget_sources(["source-a", "source-2", "unknown"])
    assert set((await store.sweep()).sources) == {"source-c", "source-3"}
    await store.forget_sources([])
    clock.now += 2000
    assert set((await store.sweep()).sources) == {"source-c", "source-3", "source-4"}  # the failed one's, and they stay


async def test_a_sweep_is_bounded(store: JobStore, clock: Clock) -> None:
    for number in range(5):
        await store.submit(make_job(number))
        await store.claim("worker")
    clock.now += 31
    assert [(await store.sweep(limit=2)).reclaimed for _ in range(4)] == [2, 2, 1, 0]
    for number in range(5):
        await store.cancel(f"job_{number:06d}")
    clock.now += 2000
    assert [(await store.sweep(limit=2)).expired for _ in range(4)] == [2, 2, 1, 0]
