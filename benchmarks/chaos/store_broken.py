"""The store is killed, slow, cut off, full or locked, while the server that uses it goes on."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from benchmarks.chaos.processes import die_with_parent
from benchmarks.chaos.timeline import NOTE
from benchmarks.chaos.world import Row, Sent, World
from endpoint.jobs.job import Status
from tests.tcp_proxy import proxy_to

Breaking = Callable[[], Awaitable[object]]
BROKEN_SECONDS, SMALL_SECONDS = 8.0, 4.0
WITHIN_SECONDS, AGAIN_SECONDS = 2.0, 5.0
CLIENTS = 3
WAIT_SECONDS = 60.0
FILLED, LIMIT = 1_500_000, 500_000  # bytes: of the log and the file; behind which the server cannot write

# Holds the lock of the file, with a part of a transaction in its log, until it is killed.
HOLDER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute("PRAGMA cache_size = 10")
db.execute("BEGIN IMMEDIATE")
for number in range(int(sys.argv[2])):
    db.execute("INSERT INTO orphans VALUES (?)", (f"half written {number} " + "x" * 500,))
print("held", flush=True)
time.sleep(600)
"""


@dataclass
class Broken:
    """One way to break the store. accepted: ids of jobs. meanwhile: what was sent while it was broken."""

    name: str
    accepted: list[str] = field(default_factory=list)
    meanwhile: list[Sent] = field(default_factory=list)
    again: float = float("inf")  # seconds until a job was accepted again


async def store_broken(world: World) -> list[Row]:
    """Accepted jobs are kept; meanwhile 503 with Retry-After within 2 s; then normal within 5 s, without a restart."""
    async with AsyncExitStack() as stack:
        ways: dict[str, tuple[Breaking, Breaking]]
        if world.kind == "redis":
            ways = await stack.enter_async_context(_redis(world))
        else:
            ways = _sqlite(world, stack)
        server, base = world.server(JOB_WORKERS="2")
        server.start()
        await server.wait_ready(base)
        pid = server.pid
        rows, accepted = list[Row](), list[str]()
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            for name, (breaking, mending) in ways.items():
                broken = await _break(world, client, name, breaking, mending)
                accepted += broken.accepted
                rows += _rows(broken)
        jobs = await world.ended(accepted, WAIT_SECONDS)
        succeeded = sum(job.status is Status.SUCCEEDED for job in jobs.values())
        lost = Counter(job.lost for job in jobs.values())
        same = server.alive and server.pid == pid
    rows.append(
        Row(
            "accepted jobs that succeeded in the end",
            f"{len(accepted)}",
            f"{succeeded}; workers lost: {dict(sorted(lost.items()))}",
            succeeded == len(accepted),
        )
    )
    rows.append(Row("the server is the same process as before", "yes", "yes" if same else "no", same))
    if world.kind == "sqlite":
        rows.append(_sound(world))
    return rows


async def _break(world: World, client: httpx2.AsyncClient, name: str, breaking: Breaking, mending: Breaking) -> Broken:
    made = Broken(name)
    sound = world.make(2)
    for _ in range(4):  # so that some are worked on
        sent = await world.sent(client, sound)
        made.accepted += [sent.id] if sent.status == 202 else []
    await asyncio.sleep(0.3)
    await breaking()
    world.timeline.mark("store", NOTE, f"{name}: broken")
    end = time.monotonic() + (SMALL_SECONDS if world.small else BROKEN_SECONDS)

    async def one() -> None:
        while time.monotonic() < end:
            made.meanwhile.append(await world.sent(client, sound))
            await asyncio.sleep(0.1)

    await asyncio.gather(*(one() for _ in range(CLIENTS)))
    await mending()
    world.timeline.mark("store", NOTE, f"{name}: whole")
    began = time.monotonic()
    while time.monotonic() < began + WAIT_SECONDS:
        sent = await world.sent(client, sound)
        if sent.status == 202:
            made.again = time.monotonic() - began
            made.accepted.append(sent.id)
            break
        await asyncio.sleep(0.05)
    made.accepted += [sent.id for sent in made.meanwhile if sent.status == 202]
    return made


def _rows(broken: Broken) -> list[Row]:
    statuses = Counter(str(sent.status or sent.code) for sent in broken.meanwhile)
    refused = [sent for sent in broken.meanwhile if sent.status != 202]
    proper = sum(sent.status == 503 and str(sent.retry_after or "").isdecimal() for sent in refused)
    slowest = max((sent.seconds for sent in broken.meanwhile), default=0.0)
    return [
        Row(
            f"{broken.name}: refused meanwhile with 503 and Retry-After",
            "all",
            f"{proper} of {len(refused)}; statuses {dict(statuses)}",
            proper == len(refused) > 0,
        ),
        Row(
            f"{broken.name}: the slowest response meanwhile",
            f"{WITHIN_SECONDS:g} s",
            f"{slowest:.2f} s",
            slowest <= WITHIN_SECONDS,
            timed=True,
        ),
        Row(
            f"{broken.name}: a job is accepted again within",
            f"{AGAIN_SECONDS:g} s",
            f"{broken.again:.2f} s",
            broken.again <= AGAIN_SECONDS,
            timed=True,
        ),
    ]


# ---- SQLite


def _sqlite(world: World, stack: AsyncExitStack) -> dict[str, tuple[Breaking, Breaking]]:
    holders = list[subprocess.Popen[bytes]]()
    stack.callback(lambda: [holder.kill() for holder in holders])

    async def hold(half_written: int) -> None:
        command = [sys.executable, "-c", HOLDER, world.url, str(half_written)]
        holders.append(subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=die_with_parent))  # noqa: ASYNC220, PLW1509
        assert holders[-1].stdout is not None
        await asyncio.to_thread(holders[-1].stdout.readline)

    async def let_go(number: int) -> None:
        holders[-1].send_signal(number)
        await asyncio.to_thread(holders[-1].wait)

    async def limit(size: int) -> None:
        """Memory files have the same limit: recordings are smaller than it, and the end of the log is behind it."""
        if size == LIMIT:
            await asyncio.to_thread(_fill, world.url)
        (server,) = (process for process in world.processes if process.name == "server")
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, hard))

    return {
        "file locked by another": (lambda: hold(0), lambda: let_go(signal.SIGTERM)),
        "another killed in a write": (lambda: hold(2_000), lambda: let_go(signal.SIGKILL)),
        "disk full": (lambda: limit(LIMIT), lambda: limit(resource.RLIM_INFINITY)),
    }


def _fill(path: str) -> None:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        for number in range(FILLED // 10_000):
            connection.execute("INSERT INTO usage VALUES (?, 'filler', 0)", (f"filler {number} " + "x" * 9_900,))
    finally:
        connection.close()


def _sound(world: World) -> Row:
    connection = sqlite3.connect(world.url, timeout=10)
    try:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
        half = connection.execute("SELECT COUNT(*) FROM orphans WHERE source LIKE 'half%'").fetchone()[0]
    finally:
        connection.close()
    return Row(
        "the file afterwards", "ok, nothing half written", f"{found}, {half} half written", found == "ok" and not half
    )


# ---- Redis


@asynccontextmanager
async def _redis(world: World) -> AsyncIterator[dict[str, tuple[Breaking, Breaking]]]:
    from redis.asyncio import Redis

    direct: Any = Redis.from_url(world.url)
    async with proxy_to(world.redis.port) as proxy:
        world.url = f"redis://127.0.0.1:{proxy.port}/0"

        async def up() -> None:
            await asyncio.to_thread(world.redis.start)

        async def down() -> None:
            world.kill_redis()

        async def slow(seconds: float) -> None:
            proxy.latency = seconds

        async def cut(on: bool) -> None:
            proxy.reset = on
            if on:
                proxy.cut()

        async def memory(size: int) -> None:
            await direct.config_set("maxmemory", size)

        try:
            yield {
                "Redis killed": (down, up),
                "2 s of latency": (lambda: slow(2.0), lambda: slow(0.0)),
                "connections reset": (lambda: cut(True), lambda: cut(False)),
                "memory full": (lambda: memory(1), lambda: memory(0)),
            }
        finally:
            await direct.aclose()
