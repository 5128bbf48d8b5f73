"""A gateway and two engine servers: what it costs, and that no request fails when one is killed or both restart."""

from __future__ import annotations

import asyncio
import json
import math
import os
import statistics
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from benchmarks.chaos.processes import Process, endpoint
from benchmarks.chaos.timeline import Timeline
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server
from endpoint.bench.usage import Processes
from endpoint.call import Stage
from endpoint.net import free_port

TOKEN = "the-token-of-make-harden"
SPEECH = Path(__file__).parents[2] / "endpoint" / "demo" / "recordings" / "LJ001-0011.flac"
ROUTE = "/v1/audio/transcriptions"
MOST_MILLISECONDS, LEAST_SHARE = 5.0, 0.95
FAKE = {"delay": 0.3}  # seconds for a window: an engine, not the two cores, is what limits the throughput
OPEN = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0)


@dataclass(frozen=True)
class Setup:
    """front: the gateway's address, gateway: its process. engines: of its servers."""

    front: str
    gateway: Process
    engines: Sequence[str]
    processes: Sequence[Process]


async def check(folder: Path, small: bool) -> Found:
    async with setup(folder, ENGINE="fake") as made:
        lines = await costs(made, *((20, 12, 1) if small else (100, 150, 3)), callers=12)
        lines += await killed(made, small)
        lines += await restarted(made, small)
    return Found(lines)


@asynccontextmanager
async def setup(folder: Path, **settings: str) -> AsyncIterator[Setup]:
    settings = {"ENGINE_TOKEN": TOKEN, "JOBS_URL": "off", "DECODE_WORKERS": "1", "LOG_LEVEL": "info"} | settings
    async with AsyncExitStack() as stack:
        processes, bases = list[Process](), list[str]()
        for name in ("engine-a", "engine-b"):
            process, base = await stack.enter_async_context(server(folder, name, engine=FAKE, **settings))
            processes.append(process)
            bases.append(base)
        port = free_port()
        command = endpoint("gateway", "--engines", ",".join(bases), "--host", "127.0.0.1", "--port", str(port))
        own = {"ENGINE_TOKEN": TOKEN, "JOBS_URL": "off", "API_PROCESSES": "1", "LOG_LEVEL": "info"}
        front = Process("gateway", command, own, folder, Timeline())
        front.start()
        stack.push_async_callback(front.end)
        await front.wait_ready(f"http://127.0.0.1:{port}")
        yield Setup(f"http://127.0.0.1:{port}", front, bases, processes)


async def asked(client: httpx2.AsyncClient, base: str, request_id: str = "") -> int:
    """The status; 0 where the connection broke."""
    try:
        form, headers = {"vad_filter": "false", "language": "en"}, {"x-request-id": request_id} if request_id else {}
        files = {"file": ("a.flac", SPEECH.read_bytes())}
        response = await client.post(base + ROUTE, files=files, data=form, headers=headers)
    except httpx2.HTTPError:
        return 0
    return response.status_code


# ---- what it costs


async def costs(made: Setup, alone: int, total: int, rounds: int, callers: int) -> list[Line]:
    """One request at a time, to a server and to the gateway by turns; then many at once, by turns as well.

    Both are judged by pairs that follow each other, so that a machine that gets slower meanwhile counts for both. The
    engine's own time, which differs more from one request to the next than a gateway takes, is taken off before.
    """
    async with httpx2.AsyncClient(timeout=300, limits=OPEN) as client:
        both = made.engines[0], made.front
        pairs = [[await _timed(client, base) for base in both] for _ in range(alone + 3)][3:]
        rates = list[tuple[float, float]]()
        usage = Processes(made.gateway.pid)
        before = usage.cpu_seconds()
        for _ in range(rounds):
            direct = await _rate(client, made.engines, total, callers)
            rates.append((direct, await _rate(client, [made.front], total, callers)))
    own = (usage.cpu_seconds() - before) / (rounds * total) * 1000
    return [_added(pairs, _engine_times(made), own), _passed(rates, callers)]


def _added(pairs: Sequence[Sequence[tuple[float, str]]], engine: dict[str, float], own: float) -> Line:
    """pairs: milliseconds and id of a request to a server, and of one through the gateway."""
    outside = [[took - engine[name] for took, name in pair] for pair in pairs]
    more = sorted(through - direct for direct, through in outside)
    added, (low, high), load = statistics.median(more), _interval(more), os.getloadavg()[0]
    whole, rest = statistics.median(took for (took, _), _ in pairs), statistics.median(direct for direct, _ in outside)
    return Line(
        "what the gateway adds in the median",
        f"less than {MOST_MILLISECONDS:g} ms",
        f"{added:.1f} ms ({low:.1f} to {high:.1f}) on {whole:.1f} ms, {rest:.1f} of them outside the engine; its own "
        f"processor time under load {own:.1f} ms; load {load:.1f}",
        added < MOST_MILLISECONDS,
        timed=True,
    )


def _passed(rates: Sequence[tuple[float, float]], callers: int) -> Line:
    """rates: requests a second of the servers, and through the gateway."""
    shares = [passed / engines for engines, passed in rates]
    share, runs = statistics.median(shares), ", ".join(f"{one:.0%}" for one in shares)
    passed = statistics.median(passed for _, passed in rates)
    return Line(
        "what it passes of the engines' throughput",
        f"at least {LEAST_SHARE:.0%}",
        f"{share:.0%} ({runs}), {passed:.1f} requests/s with {callers} callers",
        share >= LEAST_SHARE,
        timed=True,
    )


def _interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Of their median, at 95 %."""
    middle, reach = (len(ordered) - 1) / 2, 0.98 * math.sqrt(len(ordered))
    return ordered[max(0, math.floor(middle - reach))], ordered[min(len(ordered) - 1, math.ceil(middle + reach))]


async def _timed(client: httpx2.AsyncClient, base: str) -> tuple[float, str]:
    """Milliseconds of a request, and its id."""
    name, began = uuid.uuid4().hex, time.perf_counter()
    assert await asked(client, base, request_id=name) == 200
    return (time.perf_counter() - began) * 1000, name


def _engine_times(made: Setup) -> dict[str, float]:
    """By request: milliseconds of the engine's work, as the logs of who got it have them."""
    lines = (line for process in (made.gateway, made.processes[0]) for line in process.lines())
    done = (line for line in lines if line["event"] == "request" and "stages" in line)
    return {line["request_id"]: line["stages"].get(Stage.ENGINE, 0.0) for line in done}


async def _rate(client: httpx2.AsyncClient, bases: Sequence[str], total: int, callers: int) -> float:
    """Requests a second of a closed loop."""
    numbers = iter(range(total))

    async def caller(base: str) -> None:
        for _ in numbers:
            assert await asked(client, base) == 200

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(bases[number % len(bases)]))
    return total / (time.perf_counter() - began)


# ---- engine servers that go


@dataclass
class _Load:
    """Callers in a closed loop. codes: statuses of whole responses. streams: what became of streams."""

    base: str
    callers: int = 8
    codes: Counter[int] = field(default_factory=Counter)
    streams: Counter[str] = field(default_factory=Counter)

    async def __aenter__(self) -> _Load:
        self._stopping = False
        self._client = httpx2.AsyncClient(timeout=300, limits=OPEN)
        self._tasks = [asyncio.create_task(self._whole()) for _ in range(self.callers)]
        self._tasks += [asyncio.create_task(self._stream()) for _ in range(self.callers // 4)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)
        await self._client.aclose()

    async def _whole(self) -> None:
        while not self._stopping:
            self.codes[await asked(self._client, self.base)] += 1

    async def _stream(self) -> None:
        while not self._stopping:
            text, data = "", {"stream": "true", "vad_filter": "false"}
            files = {"file": ("a.flac", SPEECH.read_bytes())}
            try:
                async with self._client.stream("POST", self.base + ROUTE, files=files, data=data) as response:
                    async for piece in response.aiter_text():
                        text += piece
            except httpx2.HTTPError as error:
                text += f'"error" {error}'
            begun = "transcript.text.delta" in text
            done = "transcript.text.done" in text
            self.streams["done" if done else "ended after text" if begun else "failed before text"] += 1

    @property
    def failed(self) -> int:
        return sum(count for code, count in self.codes.items() if code != 200) + self.streams["failed before text"]

    def __str__(self) -> str:
        return f"{self.failed} of {sum(self.codes.values())}; statuses {dict(self.codes)}, streams {dict(self.streams)}"


async def killed(made: Setup, small: bool) -> list[Line]:
    """SIGKILL under load, several times, each server by turns."""
    load = _Load(made.front)
    async with load:
        for turn in range(1 if small else 6):
            await asyncio.sleep(2.0)
            process, base = made.processes[turn % 2], made.engines[turn % 2]
            process.kill()
            await asyncio.sleep(2.0)
            process.start()
            await process.wait_ready(base)
            await asyncio.sleep(1.0)
    return [Line("failed requests while a server is killed", "0", str(load), load.failed == 0 and load.codes[200] > 0)]


async def restarted(made: Setup, small: bool) -> list[Line]:
    """SIGTERM to one server after the other under load; each is ready again before the next one."""
    load, statuses = _Load(made.front), list[int | None]()
    async with load:
        for _ in range(1 if small else 3):
            for process, base in zip(made.processes, made.engines, strict=True):
                await asyncio.sleep(1.0)
                statuses.append(await process.end())
                process.start()
                await process.wait_ready(base)
                await asyncio.sleep(1.0)
    unbroken = not load.streams["ended after text"]
    return [
        Line(
            "failed requests and streams in a rolling restart",
            "0",
            str(load),
            load.failed == 0 and unbroken and load.codes[200] > 0,
        ),
        Line("exit statuses of the servers", "0 each", json.dumps(statuses), set(statuses) == {0}),
    ]
