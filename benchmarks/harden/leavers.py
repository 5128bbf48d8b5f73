"""Clients that close their connection at some moment: responses, streams and live sockets leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.harden.gateway import OPEN, ROUTE, SPEECH, asked
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server

MOST_AT_ONCE = 24  # permits: one that is lost would be missed
CALLERS = 8
LONGEST = 0.6  # seconds until a client leaves; a window takes one
WAIT_SECONDS = 30.0
BACK_SECONDS = 1.0
IDLE_SECONDS = 7.0  # after which the server has closed unused connections
KINDS = {"socket": 0, "threads": CALLERS, "children": 0}  # how many more there may be: pools grow when needed
GAUGES = re.compile(r"^stt_(?:windows_in_flight|live_sessions|queue_audio_seconds)(?:{[^}]*})? (\S+)$", re.MULTILINE)


async def check(folder: Path, small: bool) -> Found:
    settings = {"MAX_CONCURRENT_REQUESTS": str(MOST_AT_ONCE), "JOBS_URL": "off"}
    async with (
        server(folder, engine={"delay": 1.0}, **settings) as (process, base),
        httpx2.AsyncClient(base_url=base, timeout=120, limits=OPEN) as client,
    ):
        kinds = (_whole(client), _stream(client), _socket(base))
        await _leave(kinds, 20 * len(kinds))  # what is made once is there
        await _asked(client, base)
        await asyncio.sleep(IDLE_SECONDS)
        before = _left_behind(process.pid)
        left = await _leave(kinds, 40 if small else 500)
        return Found(await _afterwards(client, base, process.pid, before, f"{sum(left.values())} clients {dict(left)}"))


# ---- clients that leave

Kind = Callable[[], Awaitable[object]]


def _whole(client: httpx2.AsyncClient) -> Kind:
    async def whole() -> None:
        await client.post(ROUTE, files={"file": ("a.flac", SPEECH.read_bytes())}, data={"vad_filter": "false"})

    return whole


def _stream(client: httpx2.AsyncClient) -> Kind:
    async def stream() -> None:
        data, files = {"vad_filter": "false", "stream": "true"}, {"file": ("a.flac", SPEECH.read_bytes())}
        async with client.stream("POST", ROUTE, files=files, data=data) as response:
            await response.aread()

    return stream


def _socket(base: str) -> Kind:
    """A live session that is sent a container, which a process of its own decodes."""
    url = base.replace("http", "ws", 1) + "/ws/transcribe"

    async def socket() -> None:
        data = SPEECH.read_bytes()
        connection = await connect(url)
        try:
            for at in range(0, len(data), len(data) // 20):
                await connection.send(data[at : at + len(data) // 20])
            async for _ in connection:
                pass
        finally:
            connection.transport.abort()  # without a farewell

    return socket


async def _left(kind: Kind, seconds: float) -> None:
    with contextlib.suppress(TimeoutError, WebSocketException):
        async with asyncio.timeout(seconds):
            await kind()


async def _leave(kinds: tuple[Kind, ...], count: int) -> Counter[str]:
    """How many of each kind left."""
    choose, numbers, left = random.Random(28), iter(range(count)), Counter[str]()

    async def caller() -> None:
        for number in numbers:
            kind = kinds[number % len(kinds)]
            await _left(kind, choose.uniform(0.0, LONGEST))
            left[kind.__name__] += 1  # type: ignore[attr-defined]

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return left


# ---- what is left behind


def _left_behind(pid: int) -> Counter[str]:
    """Descriptors by kind (socket, memfd and others), threads and children of the process."""
    process, kinds = psutil.Process(pid), Counter[str]()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            kinds[str(path.readlink()).strip("/").partition(":")[0]] += 1
    kinds.update(threads=process.num_threads(), children=len(process.children(recursive=True)))
    return kinds


async def _asked(client: httpx2.AsyncClient, base: str) -> Counter[int]:
    """Statuses of as many requests at once as are admitted."""
    return Counter(await asyncio.gather(*(asked(client, base) for _ in range(MOST_AT_ONCE))))


async def _afterwards(client: httpx2.AsyncClient, base: str, pid: int, before: Counter[str], what: str) -> list[Line]:
    began = tried = time.monotonic()
    while set(codes := await _asked(client, base)) != {200} and time.monotonic() < began + WAIT_SECONDS:
        tried = time.monotonic()
    back = tried - began
    after, gauges = await _settled(client, pid, before)
    lines = [
        Line(f"{kind} afterwards, before", f"{more} more", f"{after[kind]}, {before[kind]}", _back(kind, before, after))
        for kind, more in KINDS.items()
    ]
    return [
        Line(
            f"until {MOST_AT_ONCE} requests at once, as many as may be, are admitted after {what}",
            f"{BACK_SECONDS:g} s",
            f"{back:.1f} s; statuses {dict(codes)}",
            set(codes) == {200} and back <= BACK_SECONDS,
            timed=set(codes) == {200},
        ),
        Line("windows in flight, audio under way, live sessions", "0", f"{gauges:g}", gauges == 0),
        *lines,
        # What was cancelled is in reference cycles of asyncio's in Python 3.11, until the collector runs.
        Line("memory files", "as before", f"{after['memfd']}", after["memfd"] <= before["memfd"], timed=True),
    ]


def _back(kind: str, before: Counter[str], after: Counter[str]) -> bool:
    return after[kind] <= before[kind] + KINDS[kind]


async def _settled(client: httpx2.AsyncClient, pid: int, before: Counter[str]) -> tuple[Counter[str], float]:
    """What is left, and the sum of the gauges, which the server sets every few seconds: once both are as they were."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        shown = await client.get("/metrics", headers={"connection": "close"})  # or that is a socket, too
        gauges = sum(map(float, GAUGES.findall(shown.text)))
        after = _left_behind(pid)
        if (all(_back(kind, before, after) for kind in KINDS) and gauges == 0) or time.monotonic() > end:
            return after, gauges
        await asyncio.sleep(0.2)
