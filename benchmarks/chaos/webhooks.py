"""Receivers that misbehave, and a dispatcher that is killed between the end of a job and its webhook."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace

from benchmarks.chaos.world import Row, World
from endpoint.client import verify_webhook
from endpoint.jobs.job import Job, JobFile, Status, new_id
from endpoint.jobs.store import JobStore
from endpoint.jobs.webhook import BACK_OFF, Dispatcher
from endpoint.outgoing import OutgoingPolicy
from tests.jobs_receiver import Clock, Receiver, receiving

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBjaGFvcyBjaGVja3M="
TIMEOUT = 0.5
ARRIVAL_SECONDS = 60.0  # a delivery that was under way is leased for 30 s
REDIRECT = (302, "location: /elsewhere\r\n")


async def webhooks(world: World) -> list[Row]:
    """Each is delivered, under one id, or listed as failed: by a clock set by hand, then with real kills."""
    clock = Clock(time.time())
    store = world.new_store(clock=clock)
    await store.open()
    try:
        rows = [
            await _delivered(store, clock, "500, 500, 200", [500, 500, 200], 3),
            await _delivered(store, clock, "hangs, then 200", [0, 200], 2),
            await _failed(store, clock, "redirects each time", [REDIRECT] * 9, len(BACK_OFF) + 1),
            await _failed(store, clock, "410", [410], 1),
        ]
    finally:
        await store.close()
    return [*rows, *await _killed(world)]


async def _job(store: JobStore, url: str) -> Job:
    """One that has succeeded."""
    await store.submit(Job(new_id(), (JobFile("a.wav", "https://example.org/a", url=True),), callback_url=url))
    claim = await store.claim("me")
    assert claim is not None
    await store.finish(claim, replace(claim.job, status=Status.SUCCEEDED), {0: b"result"})
    return claim.job


async def _schedule(store: JobStore, clock: Clock, receiver: Receiver) -> int:
    """How many attempts were made until nothing is due any more. Signatures are valid for minutes only."""
    policy = OutgoingPolicy.parse("", "127.0.0.0/8")
    dispatcher = Dispatcher(store, policy, (SECRET,), timeout_seconds=TIMEOUT, clock=clock)
    attempts = 0
    for wait in (*BACK_OFF, 0.0, 0.0):
        attempts += await dispatcher.step()
        if attempts == len(receiver.requests) == 1:
            _, headers, body = receiver.requests[0]
            verify_webhook(body, headers, SECRET)
        clock.now += 2 * wait
    return attempts


async def _delivered(store: JobStore, clock: Clock, name: str, responses: list[int], wanted: int) -> Row:
    async with receiving(*responses) as receiver:
        clock.now = time.time()
        await _job(store, receiver.url)
        await _schedule(store, clock, receiver)
    ids = {headers["webhook-id"] for _, headers, _ in receiver.requests}
    listed = [one for one in await store.failed_deliveries() if one.id in ids]
    left = (await store.sizes())["outbox"] - len(await store.failed_deliveries())
    figure = f"{len(receiver.requests)} attempts, {len(ids)} id, {left} left"
    met = (len(receiver.requests), len(ids), left, listed) == (wanted, 1, 0, [])
    return Row(f"a receiver that responds: {name}", f"{wanted} attempts, 1 id, 0 left", figure, met)


async def _failed(store: JobStore, clock: Clock, name: str, responses: list[int | tuple[int, str]], wanted: int) -> Row:
    async with receiving(*responses) as receiver:
        clock.now = time.time()
        job = await _job(store, receiver.url)
        await _schedule(store, clock, receiver)
    listed = [one for one in await store.failed_deliveries() if one.job == job.id]
    paths = {request.split()[1] for request, _, _ in receiver.requests}
    figure = f"{len(receiver.requests)} attempts at {len(paths)} address, listed as failed: {len(listed)}"
    met = (len(receiver.requests), len(paths), len(listed)) == (wanted, 1, 1)
    return Row(f"a receiver that responds: {name}", f"{wanted} attempts, 1 address, listed as failed", figure, met)


async def _killed(world: World) -> list[Row]:
    kills, hangs = (2, 0) if world.small else (10, 2)
    worker = world.worker("worker", delay="0.05", WEBHOOK_SECRETS=SECRET)
    jobs, slowest = list[str](), 0.0
    async with receiving() as receiver:
        for number in range(kills + hangs):
            worker.start()
            await worker.wait_for("worker ready")
            job = await world.put(world.make(), callback_url=receiver.url)
            jobs.append(job.id)
            if number >= kills:  # it is killed while its webhook is under way
                receiver.responses.append((0, ""))
                await _arrived(receiver, job.id, ARRIVAL_SECONDS)
            else:
                await world.ended([job.id], ARRIVAL_SECONDS, pause=0.002)
            worker.kill()
            before = len(receiver.requests)
            worker.start()
            began = time.monotonic()
            if number >= kills or not _of(receiver, job.id, 0):
                await _arrived(receiver, job.id, ARRIVAL_SECONDS, before)
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.3)
            await worker.end()
    ids = [{headers["webhook-id"] for headers in _of(receiver, job, 0)} for job in jobs]
    failed = await world.store.failed_deliveries()
    arrived = sum(bool(one) for one in ids)
    left = (await world.store.sizes())["outbox"] - len(failed)
    return [
        Row(
            "webhooks that arrived though their dispatcher was killed",
            f"{len(jobs)}",
            f"{arrived}, within {slowest:.1f} s of the restart; {hangs} were under way",
            arrived == len(jobs),
        ),
        Row(
            "ids of each",
            "1",
            f"{max(map(len, ids))} at most; {len(receiver.requests)} requests",
            all(len(one) == 1 for one in ids) and len(set().union(*ids)) == len(jobs),
        ),
        Row("deliveries that are neither made nor listed as failed", "0", f"{left}", left == 0),
    ]


def _of(receiver: Receiver, job_id: str, after: int) -> list[dict[str, str]]:
    """Headers of the requests about a job."""
    found = [(headers, json.loads(body)) for _, headers, body in receiver.requests[after:]]
    return [headers for headers, body in found if job_id in json.dumps(body)]


async def _arrived(receiver: Receiver, job_id: str, seconds: float, after: int = 0) -> None:
    with suppress(TimeoutError):  # the row shows it
        async with asyncio.timeout(seconds):
            while not _of(receiver, job_id, after):  # noqa: ASYNC110 - a receiver of the tests
                await asyncio.sleep(0.02)
