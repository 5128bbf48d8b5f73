"""Whose turn it is, and who gets each job, on every store: endpoint.jobs.turns."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.call import Priority
from endpoint.jobs.job import Claim, JobFile
from endpoint.jobs.store import JobStore
from endpoint.jobs.turns import Queue, order
from tests.jobs_support import make_job

pytest_plugins = ["tests.jobs_contract"]


def ids(*queues: Queue) -> list[str]:
    return [job_id for job_id, _ in order(queues)]


def test_the_least_work_goes_first() -> None:
    long = Queue("a", 0, 0, [("a1", 100), ("a2", 100), ("a3", 100)])
    short = Queue("b", 0, 0, [(f"b{number}", 40) for number in range(6)])
    assert ids(long, short) == ["a1", "b0", "b1", "b2", "a2", "b3", "b4", "a3", "b5"]
    assert ids(Queue("a", 1000, 0, [("a1", 1)]), short)[-1] == "a1"
    assert ids(Queue("a", 0, 0, [])) == ids() == []


def test_among_equals_the_one_that_has_waited_longest_goes_first() -> None:
    """Jobs whose length is not known yet cost nothing when they are claimed."""
    unknown = [Queue(name, 0, turn, [(f"{name}{n}", 0) for n in range(2)]) for name, turn in (("a", 2), ("b", 1))]
    assert ids(*unknown) == ["b0", "a0", "b1", "a1"]


async def claim_all(store: JobStore) -> list[Claim]:
    claims = []
    while (claim := await store.claim("worker")) is not None:
        claims.append(claim)
    return claims


async def test_a_caller_with_many_jobs_does_not_hold_up_another(store: JobStore) -> None:
    for number in range(200):
        await store.submit(make_job(number, caller="a"))
    for _ in range(5):
        await store.claim("worker")
    await store.submit(make_job(900, caller="b"))
    claims = [await store.claim("worker") for _ in range(2)]
    assert "b" in {claim.job.caller for claim in claims if claim is not None}


async def test_turns_are_fair_by_audio(store: JobStore) -> None:
    """One recording of ten minutes is worth ten of a minute."""
    for number in range(3):
        files = (JobFile("long", f"long-{number}", guess_ms=600_000),)
        await store.submit(make_job(number, caller="a", files=files))
    for number in range(100, 130):
        await store.submit(make_job(number, caller="b"))
    callers = [claim.job.caller for claim in await claim_all(store)]
    assert len(callers) == 33
    for end in range(1, 28):
        audio = {"a": 10 * callers[:end].count("a"), "b": callers[:end].count("b")}
        assert abs(audio["a"] - audio["b"]) <= 10


async def test_a_caller_is_charged_for_what_a_recording_turned_out_to_be(store: JobStore) -> None:
    for number, caller in ((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "b")):
        await store.submit(make_job(number, caller=caller))
    first = await store.claim("worker")
    assert first is not None
    other = "b" if first.job.caller == "a" else "a"
    (file,) = first.job.files
    grown = make_job(
        int(first.job.id[4:]), caller=first.job.caller, files=(JobFile(file.name, file.source, duration_ms=110_000),)
    )
    await store.update(first, grown)
    await store.update(first, grown)  # once
    same = first.job.caller
    callers = [claim.job.caller for claim in await claim_all(store)]
    assert callers[:3] == [other, other, same]


async def test_a_caller_who_comes_later_does_not_catch_up(store: JobStore) -> None:
    """What others had meanwhile is not made up for."""
    for number in range(50):
        await store.submit(make_job(number, caller="a"))
    for _ in range(20):
        await store.claim("worker")
    for number in range(100, 120):
        await store.submit(make_job(number, caller="b"))
    callers = [claim.job.caller for claim in (await claim_all(store))[:20]]
    assert 9 <= callers.count("b") <= 11


async def test_within_a_caller_the_most_urgent_goes_first_then_the_oldest(store: JobStore) -> None:
    priorities = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.NORMAL, Priority.HIGH]
    for number, priority in enumerate(priorities):
        await store.submit(make_job(number, priority=priority))
    assert [int(claim.job.id[4:]) for claim in await claim_all(store)] == [2, 4, 1, 3, 0]


@pytest.mark.parametrize("same", [True, False], ids=["nobody else", "several callers"])
async def test_positions_are_the_order_of_claims(store: JobStore, same: bool) -> None:
    for number in range(12):
        files = (JobFile("x", f"x-{number}", guess_ms=10_000 * (number % 4)),)
        caller = "a" if same else "abc"[number % 3]
        await store.submit(make_job(number, caller=caller, files=files, priority=Priority(number % 2)))
    expected, ahead = [], 0
    found = {job.id: await store.position(job.id) for job in await store.list(None)}
    for claim in await claim_all(store):
        expected.append((claim.job.id, len(expected), ahead))
        ahead += claim.job.audio_ms
    assert [(name, p.position, p.ahead_ms) for name, _, _ in expected if (p := found[name])] == expected


async def test_each_job_is_claimed_once(store: JobStore) -> None:
    for number in range(50):
        await store.submit(make_job(number, caller=f"caller-{number % 7}"))
    claims: list[Claim] = []

    async def work(name: str) -> None:
        while (claim := await store.claim(name)) is not None:
            claims.append(claim)

    await asyncio.gather(*(work(f"worker-{number}") for number in range(20)))
    assert sorted(claim.job.id for claim in claims) == [f"job_{number:06d}" for number in range(50)]
    assert len({claim.token for claim in claims}) == 50
