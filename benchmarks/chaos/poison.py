"""A recording that kills whoever decodes it, and jobs that are cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx2

from benchmarks.chaos.processes import Process
from benchmarks.chaos.world import Row, World
from endpoint.jobs.job import MOST_LOST, Status

WAIT_SECONDS = 120.0
CANCEL_SECONDS = 1.0


async def poison(world: World) -> list[Row]:
    """One recording kills its worker each time: it fails after three attempts, the others beside it finish."""
    others = 6 if world.small else 30
    worker = world.worker("worker", JOB_WORKERS="4")
    server, base = world.server(JOB_WORKERS="0")
    server.start()
    worker.start()
    await worker.wait_for("worker ready")
    bad = await world.put(world.make(2, deadly=True))
    good = [(await world.put(world.make(2))).id for _ in range(others)]
    deaths = 0
    restarting = asyncio.create_task(_restart(worker))
    try:
        jobs = await world.ended([bad.id, *good], WAIT_SECONDS)
    finally:
        restarting.cancel()
        deaths = len(worker.logs) - 1
    failed = jobs[bad.id]
    code = failed.error.code if failed.error else None
    finished = sum(jobs[one].status is Status.SUCCEEDED for one in good)
    rows = [
        Row(
            "the poisonous job",
            f"failed worker_lost, {MOST_LOST} attempts",
            f"{failed.status.value} {code}, {failed.attempts} attempts; {deaths} deaths",
            (failed.status, code, failed.attempts) == (Status.FAILED, "worker_lost", MOST_LOST),
        ),
        Row("others that succeeded", f"{others}", f"{finished}", finished == others),
    ]
    if not worker.alive:
        worker.start()
        await worker.wait_for("worker ready")
    await server.wait_ready(base)
    return [*rows, *await _cancelled(world, base)]


async def _restart(worker: Process) -> None:
    """As whoever runs it would."""
    while True:
        if worker.died():
            worker.start()
        await asyncio.sleep(0.1)


async def _cancelled(world: World, base: str) -> list[Row]:
    """A running job and a queued one: until the client sees it, and until nobody works on it."""
    running = [await world.put(world.make(20)) for _ in range(4)]
    queued = await world.put(world.make(20))
    await _until(lambda: sum(_windows(world, job.id) > 0 for job in running) == len(running))
    async with httpx2.AsyncClient(base_url=base, timeout=10) as client:
        rows = list[Row]()
        for name, job in (("a queued job", queued), ("a running job", running[0])):
            began = time.monotonic()
            response = await client.post(f"/v1/audio/jobs/{job.id}/cancel")
            seconds = time.monotonic() - began
            status = response.json()["status"]
            rows.append(
                Row(
                    f"{name} is cancelled within",
                    f"{CANCEL_SECONDS:g} s",
                    f"{seconds:.2f} s, {status}",
                    status == "cancelled" and seconds <= CANCEL_SECONDS,
                    timed=True,
                )
            )
        before = _windows(world, running[0].id)
        await asyncio.sleep(CANCEL_SECONDS)
        stopped = _windows(world, running[0].id)
        await asyncio.sleep(1.0)
        later = _windows(world, running[0].id) - stopped
        rows.append(
            Row(
                f"windows of the running one begun later than {CANCEL_SECONDS:g} s after it",
                "0",
                f"{later}; {stopped - before} before that",
                later == 0,
                timed=True,
            )
        )
        for job in running[1:]:
            await client.post(f"/v1/audio/jobs/{job.id}/cancel")
    rows.append(Row("windows of the queued one", "0", f"{_windows(world, queued.id)}", not _windows(world, queued.id)))
    return rows


def _windows(world: World, job_id: str) -> int:
    known = set(world.expected[job_id].windows)
    return sum(checksum in known for _, _, checksum in world.decoded())


async def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("it did not come to that")
        await asyncio.sleep(0.05)
