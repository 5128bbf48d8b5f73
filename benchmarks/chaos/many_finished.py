"""Very many jobs that have finished, and expire."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.chaos.world import PLAIN, Row, World
from endpoint.jobs.job import Job, JobFile, Status, new_id

AGO, KEPT_SECONDS = 7_200.0, 3_600.0  # they finished so long ago, and results are kept for so long
A_SWEEP, A_COMMIT = 1_000, 500
ACCOUNTS = ("usage", "usage_ledger", "usage_days")  # tables that outlive the jobs
CALLERS = 7  # with these numbers of rows no hash of Redis is between two sizes, which would count as room
CLOSE, BUFFERS = 0.05, 200_000  # a share, and bytes: Redis has buffers of its own
PAUSE_SECONDS = 1.0
DATA = b"a window or a result, " * 20


async def many_finished(world: World) -> list[Row]:
    """They leave the queue empty; when they have expired, nothing of them takes room but their rows of usage."""
    many = 2_000 if world.small else 100_000
    await _work_off(world, 100)  # whatever is made once is there
    await _expire(world)
    await _work_off(world, many)
    full, sizes = await _room(world), await world.store.sizes()
    began = time.monotonic()
    expired = await _expire(world)
    seconds = time.monotonic() - began
    empty, after = await world.store.sizes(), await _room(world)
    rows = await _usage(world)
    active = {name: sizes[name] for name in ("queued", "running", "windows", "outbox")}
    least = await _least(world)
    drift = after / least - 1
    size = f"{after / 1e6:.2f} MB, {100 * drift:+.1f} %; {full / 1e6:.1f} MB when all were there"
    return [
        Row("finished jobs", f"{many}", f"{sizes['jobs']}", sizes["jobs"] == many),
        Row("entries of queue structures then", "0", f"{active}", not any(active.values())),
        Row("expired jobs", f"{many}", f"{expired} in {seconds:.1f} s", expired == many),
        Row("entries of all structures then", "0", f"{sum(empty.values())}", not any(empty.values())),
        Row("usage rows, which stay", f"{many + 100}", f"{rows}", rows == many + 100),
        Row(
            "room then, against a new store with these usage rows",
            "+-5 % or 0.2 MB",
            size,
            abs(after - least) <= max(CLOSE * least, BUFFERS),
        ),
    ]


async def _usage(world: World) -> int:
    """How many rows there are, read page by page."""
    count, after = 0, ""
    while page := await world.store.usage_rows(after=after):
        count, after = count + len(page), page[-1][0]
    return count


def _new(number: int) -> Job:
    file = JobFile("a.wav", "https://example.org/a.wav", url=True, guess_ms=5_000)
    return Job(new_id(now=time.time() - AGO), (file,), PLAIN, "fake", f"caller {number % CALLERS}", fingerprint="same")


async def _work_off(world: World, many: int) -> None:
    await asyncio.to_thread(_in_sqlite, world.url, many) if world.kind == "sqlite" else await _in_redis(world, many)


def _in_sqlite(path: str, many: int) -> None:
    """The store's own steps, many in a commit: each alone waits for the disk."""
    from endpoint.jobs import sqlite_steps as steps
    from endpoint.jobs.sqlite_rows import Step
    from endpoint.jobs.sqlite_schema import make_tables
    from endpoint.stores.sqlite import connect

    connection = connect(Path(path), time.monotonic() + 10, make_tables)
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
    expired, room = 0, 0
    while True:
        swept = await world.store.sweep(A_SWEEP)
        await world.store.forget_sources(swept.sources)
        expired += swept.expired
        if not swept.expired:
            before, room = room, await _room(world)
            if room >= before > 0:
                return expired


async def _room(world: World) -> int:
    """Bytes in all: of the file, when its log is empty; of the memory of Redis."""
    return await asyncio.to_thread(_file, world) if world.kind == "sqlite" else await _memory(world)


async def _least(world: World) -> int:
    """Bytes of a store that never had anything but these rows of usage. Nothing else may follow."""
    return await asyncio.to_thread(_new_file, world) if world.kind == "sqlite" else await _restored(world)


def _file(world: World) -> int:
    with closing(sqlite3.connect(world.url, timeout=10, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(world.url).stat().st_size


def _new_file(world: World) -> int:
    from endpoint.jobs.sqlite_schema import make_tables
    from endpoint.stores.sqlite import connect

    with closing(sqlite3.connect(world.url, timeout=10)) as connection:
        tables = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in ACCOUNTS}
    path = world.folder / "new.db"
    with closing(connect(path, time.monotonic() + 10, make_tables)) as connection:
        connection.execute("BEGIN")
        for name, rows in tables.items():
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


async def _memory(world: World) -> int:
    from redis.asyncio import Redis

    client: Any = Redis.from_url(world.url)
    try:
        await asyncio.sleep(PAUSE_SECONDS)  # tables shrink bit by bit
        return int((await client.info("memory"))["used_memory"])
    finally:
        await client.aclose()


async def _restored(world: World) -> int:
    from redis.asyncio import Redis

    client: Any = Redis.from_url(world.url)
    try:
        kept = [(key, await client.dump(key)) async for key in client.scan_iter(count=1000)]
        await client.flushall()
        for key, dumped in kept:
            await client.restore(key, 0, dumped)
    finally:
        await client.aclose()
    return await _memory(world)
