"""Very many jobs that have finished, and expire."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.chaos.world import PLAIN, Row, World
from endpoint.jobs.job import Job, JobFile, Status, new_id

AGO, KEPT_SECONDS = 7_200.0, 3_600.0  # they finished so long ago, and results are kept for so long
A_SWEEP, A_COMMIT, AT_ONCE = 1_000, 500, 64
CLOSE = 0.05
DATA = b"a window or a result, " * 20


async def many_finished(world: World) -> list[Row]:
    """They leave the queue empty; when they have expired, nothing of them takes room but their rows of usage."""
    many = 2_000 if world.small else 100_000
    await _work_off(world, 100)  # whatever is made once is there
    await _expire(world)
    before = await _room(world)
    await _work_off(world, many)
    full, sizes = await _room(world), await world.store.sizes()
    began = time.monotonic()
    expired = await _expire(world)
    seconds = time.monotonic() - began
    after, empty = await _room(world), await world.store.sizes()
    rows = len(await world.store.usage_rows())
    active = {name: sizes[name] for name in ("queued", "running", "windows", "outbox")}
    drift = after[0] / (before[0] - before[1] + after[1]) - 1
    size = f"{after[0] / 1e6:.2f} MB, {100 * drift:+.1f} %; {full[0] / 1e6:.1f} MB when all were there"
    return [
        Row("finished jobs", f"{many}", f"{sizes['jobs']}", sizes["jobs"] == many),
        Row("entries of queue structures then", "0", f"{active}", not any(active.values())),
        Row("expired jobs", f"{many}", f"{expired} in {seconds:.1f} s", expired == many),
        Row("entries of all structures then", "0", f"{sum(empty.values())}", not any(empty.values())),
        Row("usage rows, which stay", f"{many + 100}", f"{rows}", rows == many + 100),
        Row("room then, against what an empty store and the usage rows take", "+-5 %", size, abs(drift) <= CLOSE),
    ]


def _new(number: int) -> Job:
    file = JobFile("a.wav", "https://example.org/a.wav", url=True, guess_ms=5_000)
    return Job(new_id(now=time.time() - AGO), (file,), PLAIN, "fake", f"caller {number % 3}", fingerprint="same")


async def _work_off(world: World, many: int) -> None:
    await asyncio.to_thread(_in_sqlite, world.url, many) if world.kind == "sqlite" else await _in_redis(world, many)


def _in_sqlite(path: str, many: int) -> None:
    """The store's own steps, many in a commit: each alone waits for the disk."""
    from endpoint.jobs import sqlite_steps as steps
    from endpoint.jobs.sqlite_rows import Step
    from endpoint.jobs.sqlite_schema import connect

    connection = connect(Path(path), time.monotonic() + 10)
    try:
        for number in range(many):
            if number % A_COMMIT == 0:
                connection.execute("PRAGMA busy_timeout = 10000")
                connection.execute("BEGIN IMMEDIATE")
            step = Step(connection, time.time() - AGO, KEPT_SECONDS)
            steps.submit(step, _new(number), f"key {time.time_ns()}")
            claim = steps.claim(step, "me", 30.0)
            assert claim is not None
            steps.save_window(step, claim, 0, 0, DATA)
            steps.finish(step, claim, replace(claim.job, status=Status.SUCCEEDED), {0: DATA})
            if (number + 1) % A_COMMIT == 0 or number + 1 == many:
                connection.execute("COMMIT")
    finally:
        connection.close()


async def _in_redis(world: World, many: int) -> None:
    store = world.new_store(clock=lambda: time.time() - AGO, result_seconds=KEPT_SECONDS)
    await store.open()
    numbers = iter(range(many))

    async def some() -> None:
        for number in numbers:
            await store.submit(_new(number), f"key {time.time_ns()}")
            claim = await store.claim("me")
            assert claim is not None
            await store.save_window(claim, 0, 0, DATA)
            await store.finish(claim, replace(claim.job, status=Status.SUCCEEDED), {0: DATA})

    try:
        await asyncio.gather(*(some() for _ in range(16)))
    finally:
        await store.close()


async def _expire(world: World) -> int:
    """As the workers do now and then, until there is nothing left to do."""
    expired, room = 0, -1
    while True:
        swept = await world.store.sweep(A_SWEEP)
        await world.store.forget_sources(swept.sources)
        expired += swept.expired
        now = (await _room(world))[0]
        if not swept.expired and now >= room > 0:
            return expired
        room = now


async def _room(world: World) -> tuple[int, int]:
    """Bytes in all, and bytes of what has to be there."""
    return await asyncio.to_thread(_file, world) if world.kind == "sqlite" else await _memory(world)


def _file(world: World) -> tuple[int, int]:
    """Of the file when its log is empty; and of a copy without gaps."""
    path = Path(world.url)
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy = world.folder / "copy.db"
        copy.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(copy),))
        return path.stat().st_size, copy.stat().st_size
    finally:
        connection.close()


async def _memory(world: World) -> tuple[int, int]:
    """Of the server; and of its keys, where there are few of them."""
    from redis.asyncio import Redis

    client: Any = Redis.from_url(world.url)
    try:
        keys = [key async for key in client.scan_iter(count=1000)] if await client.dbsize() < 100 else []
        sizes = [await client.memory_usage(key, samples=0) or 0 for key in keys]
        await client.memory_purge()
        await asyncio.sleep(0.2)
        return int((await client.info("memory"))["used_memory"]), sum(sizes)
    finally:
        await client.aclose()
