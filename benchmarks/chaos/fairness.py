"""One caller's job behind many of another."""

from __future__ import annotations

import asyncio
import os
import statistics
import time

from benchmarks.chaos.world import PLAIN, Row, World
from endpoint.jobs.job import Job, JobFile, Status, new_id
from endpoint.jobs.keys import new_key

WAIT_SECONDS = 60.0
MOST = 2.0  # times the time alone


async def fairness(world: World) -> list[Row]:
    """B's one job behind A's many waits at most twice as long as it takes alone; several times."""
    many, trials = (200, 2) if world.small else (1_000, 10)
    worker = world.worker("worker", delay="0.3")
    worker.start()
    await worker.wait_for("worker ready")
    solo = [await _time(world) for _ in range(trials)]
    await _submit_many(world, many)
    await asyncio.sleep(1.0)
    behind = []
    for _ in range(trials):
        await asyncio.sleep(world.choose.uniform(0.0, 1.0))
        behind.append(await _time(world))
    left = (await world.store.sizes())["queued"]
    alone, worst = statistics.median(solo), max(behind)
    figures = f"{worst:.2f} s, {worst / alone:.2f} times; half within {statistics.median(behind):.2f} s"
    return [
        Row("A's jobs that were still queued afterwards", "most", f"{left} of {many}", left > many / 2),
        Row(
            f"the slowest of {trials} jobs of B behind them",
            f"at most {MOST:g} times {alone:.2f} s, the time alone",
            figures,
            worst <= MOST * alone,
            timed=True,
        ),
    ]


async def _time(world: World) -> float:
    """Seconds from the submission of B's job to its end."""
    began = time.monotonic()
    job = await world.put(world.make(4), caller="B")
    while time.monotonic() < began + WAIT_SECONDS:
        found = await world.store.get(job.id)
        if found is not None and found.status is Status.SUCCEEDED:
            return time.monotonic() - began
        await asyncio.sleep(0.01)
    raise RuntimeError("B's job was not finished")


async def _submit_many(world: World, many: int) -> None:
    """A's, of one recording that has many names."""
    sound = world.make(4)
    first = (await world.put(sound, caller="A")).files[0]
    folder = world.folder / "audio"
    kept = folder / new_key()
    os.link(folder / first.source, kept)
    for _ in range(many - 1):
        key = new_key()
        os.link(kept, folder / key)
        file = JobFile("a.wav", key, guess_ms=first.guess_ms)
        await world.store.submit(Job(new_id(), (file,), PLAIN, "fake", caller="A", created_at=time.time()))
