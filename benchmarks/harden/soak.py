"""Ten minutes at 70 % of what a server can do: no 5xx; memory, descriptors, threads and processes stay as they are."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from benchmarks.harden.gateway import OPEN, asked
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server
from endpoint.bench.chart import Axis, Series, draw
from endpoint.bench.loops import arrivals
from endpoint.bench.usage import Processes

SHARE, MOST_GROWTH = 0.7, 0.01
MORE = {"descriptors": 0.1, "threads": 0.0, "processes": 0.0}  # connections come and go with the arrivals
SAMPLES = 60


@dataclass(frozen=True)
class Sample:
    seconds: float
    memory_mib: float
    descriptors: int
    threads: int
    processes: int


async def check(folder: Path, small: bool) -> Found:
    seconds = 20.0 if small else 600.0
    async with (
        server(folder, engine={"delay": 0.05}, JOBS_URL="off") as (process, base),
        httpx2.AsyncClient(timeout=120, limits=OPEN) as client,
    ):
        most = await _capacity(client, base, 3.0 if small else 20.0)
        codes, samples = Counter[int](), list[Sample]()
        watching = asyncio.create_task(_watch(process.pid, seconds, samples))
        await _load(client, base, arrivals(most * SHARE, seconds, seed=36), codes)
        await watching
    bad = sum(count for code, count in codes.items() if code != 200)
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    growth = _mean(last, "memory_mib") / _mean(middle, "memory_mib") - 1
    lines = [
        Line(
            f"failures in {seconds:.0f} s at {SHARE:.0%} of {most:.1f} requests/s",
            "0",
            f"{bad} of {dict(codes)}",
            not bad,
        ),
        Line(
            "memory in the last third, beside the middle one",
            f"{MOST_GROWTH:+.0%} at most",
            f"{growth:+.2%} of {_mean(middle, 'memory_mib'):.0f} MiB",
            growth <= MOST_GROWTH,
            timed=True,
        ),
    ]
    for what, more in MORE.items():
        before, after = _median(middle, what), _median(last, what)
        found = f"{before:g}, then {after:g}"
        lines.append(Line(f"{what}, median", f"{more:+.0%} at most", found, after <= before * (1 + more)))
    points = [(one.seconds, one.memory_mib) for one in samples]
    return Found(lines, [draw("Memory of the server", Axis("seconds"), Axis("MiB"), [Series("", points)])])


def _mean(samples: list[Sample], what: str) -> float:
    return statistics.mean(getattr(one, what) for one in samples)


def _median(samples: list[Sample], what: str) -> float:
    return statistics.median(getattr(one, what) for one in samples)


async def _capacity(client: httpx2.AsyncClient, base: str, seconds: float) -> float:
    """Requests a second with eight callers in a closed loop."""
    end, done = time.monotonic() + seconds, 0

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < end:
            assert await asked(client, base) == 200
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(caller())
    return done / seconds


async def _load(client: httpx2.AsyncClient, base: str, times: list[float], codes: Counter[int]) -> None:
    began = time.monotonic()

    async def one() -> None:
        codes[await asked(client, base)] += 1

    async with asyncio.TaskGroup() as group:
        for at in times:
            await asyncio.sleep(began + at - time.monotonic())
            group.create_task(one())


async def _watch(pid: int, seconds: float, samples: list[Sample]) -> None:
    usage, root, began = Processes(pid), psutil.Process(pid), time.monotonic()
    for _ in range(SAMPLES):
        await asyncio.sleep(seconds / SAMPLES)
        tree = [root, *root.children(recursive=True)]
        descriptors = sum(one.num_fds() for one in tree)
        threads = sum(one.num_threads() for one in tree)
        samples.append(Sample(time.monotonic() - began, usage.memory_mib(), descriptors, threads, len(tree)))
