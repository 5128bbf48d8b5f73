"""A worker is paused for longer than its lease, and goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from benchmarks.chaos.processes import Process
from benchmarks.chaos.world import Row, World
from endpoint.jobs.job import Job, Status
from endpoint.jobs.store import LostClaim

WINDOWS = 12
WAIT_SECONDS = 150.0  # as long as a busy machine takes to start a worker


async def late_worker(world: World) -> list[Row]:
    """SIGSTOP for two leases, then SIGCONT: another has the job by then, and the late worker's writes are refused."""
    rounds = 1 if world.small else 5
    late, other = (world.worker(name, delay="0.5") for name in ("late worker", "other worker"))
    late.start()
    await late.wait_for("worker ready")
    jobs, after = list[Job](), list[int]()
    for _ in range(rounds):
        job, windows = await _round(world, late, other)
        jobs.append(job)
        after.append(windows)
    succeeded = sum(job.status is Status.SUCCEEDED for job in jobs)
    attempts = [(job.attempts, job.lost) for job in jobs]
    texts = [await world.text(job.id) == world.expected[job.id].text for job in jobs]
    ends = [sum(event.type == "job.succeeded" for event in await world.store.events(job.id)) for job in jobs]
    usage = sorted(job for job, _, _ in await world.store.usage_rows())
    refused, tried = await _refused(world)
    return [
        Row("jobs that succeeded", f"{rounds}", f"{succeeded}", succeeded == rounds),
        Row(
            "attempts, workers lost",
            "2, 1 each",
            "; ".join(f"{a}, {b}" for a, b in attempts),
            set(attempts) == {(2, 1)},
        ),
        Row("windows that the late worker began afterwards, at most", "0", f"{max(after)}", max(after) == 0),
        Row("results with the recording's text, with one end", f"{rounds}", f"{sum(texts)}", all(texts)),
        Row("ends among the events of each job", "1", f"{sorted(set(ends))}", set(ends) == {1}),
        Row("usage rows", f"{rounds}", f"{len(usage)}", usage == sorted(job.id for job in jobs)),
        Row("writes under a claim that was taken back: refused", f"{tried}", f"{refused}", refused == tried),
    ]


async def _round(world: World, late: Process, other: Process) -> tuple[Job, int]:
    """The job, and how many windows the late worker began after its pause."""
    job = await world.put(world.make(WINDOWS))
    end = time.monotonic() + WAIT_SECONDS
    while sum(row[1] == late.pid for row in world.decoded() if row[2] in world.expected[job.id].windows) < 2:
        if time.monotonic() > end:
            raise RuntimeError("the job was not begun")
        await asyncio.sleep(0.02)
    late.pause()
    other.start()
    try:
        await asyncio.sleep(2 * world.lease)
        while (found := await world.store.get(job.id)) is None or found.attempts < 2:  # taken by the other
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.02)
        late.go_on()
        begun = time.time()
        ended = await world.ended([job.id], WAIT_SECONDS)
        await asyncio.sleep(1.0)
        windows = [row for row in world.decoded() if row[2] in world.expected[job.id].windows]
        return ended[job.id], sum(row[0] > begun and row[1] == late.pid for row in windows)
    finally:
        await other.end()


async def _refused(world: World) -> tuple[int, int]:
    """Of every kind of write, under a claim whose lease ran out: how many were refused, of how many."""
    for process in world.processes:
        await process.end()
    job = await world.put(world.make())
    claim = await world.store.claim("late", 0.2)
    assert claim is not None
    await asyncio.sleep(0.4)
    await world.store.sweep()
    assert await world.store.claim("other", 30) is not None
    done = Job(job.id, job.files, status=Status.SUCCEEDED)
    writes: list[Awaitable[object]] = [
        world.store.renew(claim),
        world.store.update(claim, job),
        world.store.save_window(claim, 0, 0, b"late"),
        world.store.finish(claim, done, {0: b"late"}),
        world.store.release(claim),
    ]
    refused = 0
    for write in writes:
        try:
            await write
        except LostClaim:
            refused += 1
    return refused, len(writes)
