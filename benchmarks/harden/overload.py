"""Check 17: at three times capacity work goes on at its best rate, the rest is refused at once, memory is bounded."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np
import psutil

from benchmarks.chaos.recordings import WINDOW_SECONDS, recording
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server
from endpoint.bench.chart import Axis, Series, draw

PATH = "/v1/audio/transcriptions"
DELAY, AT_ONCE = 0.4, 4  # of the engine, which does so many windows at once: ten a second
CAPACITY = AT_ONCE / DELAY  # requests a second
QUEUE_SECONDS = 2.0  # of work that may wait
SECONDS, SMALL_SECONDS = 40.0, 12.0  # of each phase
PHASES = (("half", 0.5), ("full", 1.0), ("three times", 3.0), ("half again", 0.5))
GROWTH_MB = 300.0


@dataclass
class Load:
    """done: (when, seconds it took) of responses with text. refused: the same of 503. waits: Retry-After of those."""

    done: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    begun: dict[str, float] = field(default_factory=dict)  # phases


async def check(folder: Path, small: bool) -> Found:
    most = int(CAPACITY * WINDOW_SECONDS * QUEUE_SECONDS) + AT_ONCE * WINDOW_SECONDS
    load, seconds = Load(), SMALL_SECONDS if small else SECONDS
    async with server(
        folder,
        engine={"delay": DELAY, "at_once": AT_ONCE},
        MAX_CONCURRENT_AUDIO_SECONDS=str(most),
        JOB_WORKERS="0",
    ) as (process, base):
        limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000)
        async with httpx2.AsyncClient(base_url=base, timeout=60, limits=limits) as client:
            await _warm(client)
            watching = asyncio.create_task(_watch(process.pid, load))
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for name, share in PHASES:
                    load.begun[name] = time.monotonic() - began
                    await _arrivals(group, client, load, began, CAPACITY * share, seconds)
            watching.cancel()
    return _found(load, seconds, most)


async def _warm(client: httpx2.AsyncClient) -> None:
    """The size of a second of audio is learned, and decoding processes are there."""
    sound = recording(random.Random(3)).data
    for _ in range(30):
        (await client.post(PATH, files={"file": ("a.wav", sound)})).raise_for_status()


async def _arrivals(
    group: asyncio.TaskGroup, client: httpx2.AsyncClient, load: Load, began: float, rate: float, seconds: float
) -> None:
    """So many requests a second, whatever becomes of those before."""
    sound = recording(random.Random(4)).data
    start, number = time.monotonic(), 0
    while number < rate * seconds:
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        group.create_task(_one(client, load, began, sound))
        number += 1


async def _one(client: httpx2.AsyncClient, load: Load, began: float, sound: bytes) -> None:
    sent = time.monotonic()
    try:
        response = await client.post(PATH, files={"file": ("a.wav", sound)})
    except httpx2.HTTPError as error:
        load.others.append(type(error).__name__)
        return
    moment = (time.monotonic() - began, time.monotonic() - sent)
    if response.status_code == 200:
        load.done.append(moment)
    elif response.status_code == 503 and response.json()["error"]["code"] == "overloaded":
        load.refused.append(moment)
        load.waits.append(int(response.headers["retry-after"]))
    else:
        load.others.append(str(response.status_code))


async def _watch(pid: int, load: Load) -> None:
    process, began = psutil.Process(pid), time.monotonic()
    while True:
        family = [process, *process.children(recursive=True)]
        load.memory.append((time.monotonic() - began, sum(one.memory_info().rss for one in family) / 1e6))
        await asyncio.sleep(0.5)


def _rate(load: Load, start: float, end: float) -> float:
    return sum(start <= at < end for at, _ in load.done) / (end - start)


def _found(load: Load, seconds: float, most: int) -> Found:
    settle = min(3.0, seconds / 4)  # the queue fills
    full, over, again = (load.begun[name] for name in ("full", "three times", "half again"))
    peak = max(_rate(load, full + settle, full + seconds), _rate(load, over + settle, over + seconds))
    goodput = _rate(load, over + settle, over + seconds)
    latencies = np.array([took for at, took in load.refused]) * 1000 if load.refused else np.array([np.inf])
    late = [at for at, _ in load.refused if at >= again]
    recovered = max(late, default=again) - again
    slow = [at for at, took in load.done if at >= again and took > 4 * DELAY]
    calm = max([*slow, *late], default=again) - again
    before = max(size for at, size in load.memory if at < full)
    growth = max(size for _, size in load.memory) - before
    return Found(
        [
            Line(
                "text at three times capacity, of the best rate",
                ">= 90 %",
                f"{100 * goodput / peak:.0f} % ({goodput:.1f} of {peak:.1f} a second; the engine does {CAPACITY:g})",
                goodput >= 0.9 * peak,
                timed=True,
            ),
            Line(
                f"refusals, 503 overloaded ({len(load.refused)})",
                "99 % within 200 ms",
                f"{np.percentile(latencies, 99):.0f} ms, half within {np.median(latencies):.0f} ms",
                bool(np.percentile(latencies, 99) < 200),
                timed=True,
            ),
            Line("Retry-After", "1 to 10 s", f"{min(load.waits, default=0)} to {max(load.waits, default=0)} s",
                 bool(load.waits) and min(load.waits) >= 1 and max(load.waits) <= 10),
            Line("other outcomes", "none", f"{sorted(set(load.others)) or 'none'}", not load.others),
            Line("last refusal after the overload", "< 10 s", f"{recovered:.1f} s", recovered < 10, timed=True),
            Line("last slow response after it", "< 10 s", f"{calm:.1f} s", calm < 10, timed=True),
            Line("memory of the server, grown by", f"< {GROWTH_MB:.0f} MB", f"{growth:.0f} MB", growth < GROWTH_MB),
        ],
        _plots(load, most),
    )  # fmt: skip


def _plots(load: Load, most: int) -> list[str]:
    end = int(max(at for at, _ in [*load.done, *load.refused])) + 1
    each = [(name, np.histogram([at for at, _ in rows], range(end + 1))[0]) for name, rows in
            (("text", load.done), ("503", load.refused))]  # fmt: skip
    rates = [Series(name, [(float(at), float(count)) for at, count in enumerate(counts)]) for name, counts in each]
    phases = ", ".join(f"{name} from {at:.0f} s" for name, at in load.begun.items())
    times = [Series(name, [(at, took * 1000) for at, took in rows]) for name, rows in
             (("text", load.done), ("503", load.refused))]  # fmt: skip
    return [
        draw(f"Responses a second: {phases}", Axis("seconds"), Axis("responses a second"), rates),
        draw("Time of each response", Axis("seconds"), Axis("milliseconds"), times, "dots"),
        draw(f"Memory; at most {most} s of audio are admitted", Axis("seconds"), Axis("MB"), [Series("", load.memory)]),
    ]
