"""Mutated files of twelve containers: none costs more than its own request."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server
from endpoint.bench.usage import Processes
from tests.recordings import encode, tone, wav

ROUTE = "/v1/audio/transcriptions"
# Container, codec, rate.
KINDS = (
    ("mp3", "libmp3lame", 16_000), ("flac", "flac", 16_000), ("ogg", "libopus", 48_000), ("ogg", "vorbis", 16_000),
    ("webm", "libopus", 48_000), ("mp4", "aac", 16_000), ("matroska", "pcm_s16le", 16_000), ("mpegts", "mp2", 16_000),
    ("aiff", "pcm_s16be", 16_000), ("avi", "pcm_s16le", 16_000), ("caf", "pcm_s16le", 16_000),
)  # fmt: skip
MOST_SECONDS, MOST_GROWTH = 30.0, 0.05


def corpus() -> list[bytes]:
    """A second and a half of sound in twelve containers."""
    sound = tone(16_000, 1.5)
    files = [wav(sound[:, None], 16_000)]
    for container, codec, rate in KINDS:
        samples = tone(rate, 1.5)[None, :]
        channels, layout = (2, "stereo") if codec == "vorbis" else (1, "mono")
        files.append(encode(np.repeat(samples, channels, axis=0), container, codec, rate, layout))
    return files


def mutate(choose: random.Random, data: bytes) -> bytes:
    """Bytes changed, cut out, put in or repeated; most of them near the beginning, where headers are."""
    made = bytearray(data)
    for _ in range(choose.randint(1, 12)):
        reach = len(made) if choose.random() < 0.4 else min(len(made), 256)
        where = choose.randrange(max(1, reach))
        size = choose.choice((1, 1, 2, 4, 8, 64))
        match choose.randrange(5):
            case 0:
                made[where : where + size] = choose.randbytes(size)
            case 1:
                made[where : where + size] = bytes([choose.choice((0, 0x7F, 0x80, 0xFF))]) * size
            case 2:
                del made[where : where + size * choose.choice((1, 16))]
            case 3:
                made[where:where] = choose.randbytes(size)
            case 4:
                made[where:where] = made[where : where + size * 8]
    return bytes(made[: choose.randrange(1, len(made) + 1)] if choose.random() < 0.15 and made else made)


async def check(folder: Path, small: bool) -> Found:
    count, choose, files = 240 if small else 10_000, random.Random(6), corpus()
    async with server(folder, DECODE_TIMEOUT_SECONDS="25", JOBS_URL="off") as (process, base):
        usage = Processes(process.pid)
        statuses, slowest, memory = Counter[int](), 0.0, list[float]()
        async with httpx2.AsyncClient(timeout=120) as client:
            for _ in range(10):
                batch = [mutate(choose, choose.choice(files)) for _ in range(count // 10)]
                slowest = max(slowest, await _send(client, base + ROUTE, batch, statuses))
                memory.append(usage.memory_mib())
            last = (await client.post(base + ROUTE, files={"file": files[0]})).status_code
    growth = statistics.mean(memory[-3:]) / statistics.mean(memory[1:4]) - 1
    server_errors = sum(number for status, number in statuses.items() if status >= 500 or status == 0)
    return Found(
        [
            Line(f"5xx among {count} mutated files", "0", f"{server_errors} of {dict(statuses)}", server_errors == 0),
            Line("the slowest", f"at most {MOST_SECONDS:g} s", f"{slowest:.1f} s", slowest <= MOST_SECONDS, timed=True),
            Line(
                "memory at the end, beside that at the beginning",
                f"{MOST_GROWTH:+.0%} at most",
                f"{growth:+.1%}; MiB: {[round(one) for one in memory]}",
                growth <= MOST_GROWTH,
                timed=True,
            ),
            Line("a sound file afterwards", "200", str(last), last == 200),
        ]
    )


async def _send(client: httpx2.AsyncClient, url: str, batch: Sequence[bytes], statuses: Counter[int]) -> float:
    """Send them, eight at once; the seconds of the slowest."""
    files, slowest = iter(batch), 0.0

    async def caller() -> None:
        nonlocal slowest
        for data in files:
            began = time.monotonic()
            try:
                response = await client.post(url, files={"file": ("a", data)})
                statuses[response.status_code] += 1
            except httpx2.HTTPError:
                statuses[0] += 1
            slowest = max(slowest, time.monotonic() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(caller())
    return slowest
