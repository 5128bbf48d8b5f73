"""Workers are killed at random points while jobs are worked off."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence

import httpx2

from benchmarks.chaos.processes import Process
from benchmarks.chaos.world import Row, World
from endpoint.jobs.job import MOST_LOST, Job, Status

WINDOWS = 4
WAIT_SECONDS = 90.0
SLACK_SECONDS = 5.0


async def worker_killed(world: World) -> list[Row]:
    """Two jobs are submitted for each kill. Nobody is killed while a job is about that has lost two workers already."""
    kills, workers = (6, 2) if world.small else (100, 3)
    server, base = world.server(JOB_WORKERS="0")
    fleet = [world.worker(f"worker {number}") for number in range(workers)]
    for process in (server, *fleet):
        process.start()
    await server.wait_ready(base)
    done = list[tuple[float, int]]()  # (time, process) of each kill
    ids = list[str]()
    async with httpx2.AsyncClient(base_url=base, timeout=10) as client:
        for number in range(kills):
            for _ in range(2):
                ids.append((await world.sent(client, world.make(WINDOWS))).id)
            if number == 0:
                await asyncio.gather(*(worker.wait_for("worker ready") for worker in fleet))
            done.append(await _kill_one(world, fleet))
    jobs = await world.ended(ids, WAIT_SECONDS)
    return [*await _outcome(world, ids, jobs), *_costs(world, done, kills)]


async def _kill_one(world: World, fleet: Sequence[Process]) -> tuple[float, int]:
    await asyncio.sleep(world.choose.uniform(0.1, 1.2))
    end = time.monotonic() + WAIT_SECONDS
    while True:
        ready = [one for one in fleet if any(line.get("event") == "worker ready" for line in one.lines(-1))]
        if ready:
            victim = world.choose.choice(ready)
            os.kill(victim.pid, signal.SIGSTOP)  # while it is looked, it takes no job
            if time.monotonic() > end or not await _endangered(world):
                break
            os.kill(victim.pid, signal.SIGCONT)
        await asyncio.sleep(0.1)
    pid = victim.pid
    victim.kill()
    at = time.time()
    victim.start()
    return at, pid


async def _endangered(world: World) -> bool:
    """Whether there is a job that has lost two workers. Queued ones are looked at twice: it may become either."""
    for status in (Status.QUEUED, Status.RUNNING, Status.QUEUED):
        jobs = await world.store.list(None, status, None, 100, "asc")
        if any(job.lost >= MOST_LOST - 1 for job in jobs):
            return True
    return False


async def _outcome(world: World, ids: Sequence[str], jobs: dict[str, Job]) -> list[Row]:
    succeeded = [job for job in jobs.values() if job.status is Status.SUCCEEDED]
    wrong = [job_id for job_id in ids if await world.text(job_id) != world.expected[job_id].text]
    ends = Counter[int]()
    for job_id in ids:
        ends[sum(event.type == "job.succeeded" for event in await world.store.events(job_id))] += 1
    usage = Counter(job for job, _, _ in await world.store.usage_rows())
    lost = Counter(job.lost for job in jobs.values())
    return [
        Row("jobs that succeeded", f"{len(ids)}", f"{len(succeeded)}", len(succeeded) == len(ids)),
        Row("results with another text than the recording's", "0", f"{len(wrong)}", not wrong),
        Row("jobs with one end among their events", f"{len(ids)}", f"{ends[1]}", ends[1] == len(ids)),
        Row(
            "usage rows, one for each job",
            f"{len(ids)}",
            f"{usage.total()} of {len(usage)} jobs",
            usage == Counter(ids),
        ),
        Row("jobs by lost workers", "some", ", ".join(f"{k}: {lost[k]}" for k in sorted(lost)), lost[0] < len(jobs)),
    ]


def _costs(world: World, done: Sequence[tuple[float, int]], kills: int) -> list[Row]:
    begun, waits, interrupted = world.begun(), list[float](), 0
    for at, pid in done:
        own = [row for row in begun if row[1] == pid]
        if not own:
            continue
        job = own[-1][2]
        later = [row[0] for row in begun if row[2] == job and row[0] > at]
        if later:  # else it had ended before the kill
            interrupted += 1
            waits.append(min(later) - at)
    most = world.lease + SLACK_SECONDS
    windows = world.decoded()
    known = Counter(checksum for sound in world.expected.values() for checksum in sound.windows)
    counts = Counter(checksum for _, _, checksum in windows)
    again = _repeated(windows)
    worst = max(again.values(), default=0)
    others = sum(count for pid, count in again.items() if pid not in {pid for _, pid in done})
    return [
        Row("kills", f"{kills}", f"{len(done)}, {interrupted} of them with a job under way", len(done) == kills),
        Row(
            "worked on again after a kill, at most",
            f"{most:g} s (lease {world.lease:g} s + {SLACK_SECONDS:g} s)",
            f"{max(waits, default=0):.2f} s; half within {sorted(waits)[len(waits) // 2] if waits else 0:.2f} s",
            bool(waits) and max(waits) <= most,
            timed=True,
        ),
        Row("windows that were decoded", f"{len(known)}", f"{len(known & counts)}", not known - counts),
        Row(
            "windows decoded twice for one kill, at most",
            "1",
            f"{worst}; {counts.total() - len(counts)} in all, {others} of them without a kill",
            worst <= 1 and others == 0,
            timed=True,  # a worker that gets no processor for a lease loses its job
        ),
    ]


def _repeated(windows: Sequence[tuple[float, int, str]]) -> Counter[int]:
    """By process: windows that it began, and that were begun again later."""
    last = dict[str, int]()
    again = Counter[int]()
    for _, pid, checksum in sorted(windows):
        if checksum in last:
            again[last[checksum]] += 1
        last[checksum] = pid
    return again
