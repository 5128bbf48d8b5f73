"""Check 16: a quota of audio seconds; what fails is refunded; the ledger is exact, also after many worker kills."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import httpx2

from benchmarks.chaos.recordings import WINDOW_SECONDS, Recording, recording
from benchmarks.chaos.worker_killed import worker_killed
from benchmarks.chaos.world import World, world
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server
from endpoint.access.usage import Ledger
from endpoint.access.usage_redis import RedisLedger
from endpoint.access.usage_sqlite import SqliteLedger

PATH = "/v1/audio/transcriptions"
FITTING = 20  # recordings within the quota
FAILING = 10
ALWAYS = "0001-01-01", "9999-12-31"


async def check(folder: Path, small: bool) -> Found:
    lines = await _quota(folder)
    for kind in ("sqlite", "redis"):
        async with world(kind, folder / kind, f"quotas {kind}", small) as made:
            rows = await worker_killed(made)
            kills = next(row.figure for row in rows if row.name == "kills")
            lines.append(await _compared(made, f"ledger of jobs on {kind} after kills of workers: {kills}"))
    return Found(lines)


async def _quota(folder: Path) -> list[Line]:
    sound = recording(random.Random(2))
    quota = str(FITTING * WINDOW_SECONDS)
    async with (
        server(folder, JOB_WORKERS="0", LIMIT_AUDIO_SECONDS_PER_MONTH=quota) as (process, base),
        httpx2.AsyncClient(base_url=base, timeout=60) as client,
    ):
        broken = [await _post(client, b"RIFF" + sound.data[4:40]) for _ in range(FAILING)]
        admitted = await asyncio.gather(*(_post(client, sound.data) for _ in range(2 * FITTING)))
        refused = [response for response in admitted if response.status_code == 429]
        codes = {response.json()["error"]["code"] for response in refused}
        await process.end()
    ledger = SqliteLedger(folder / "jobs.db")
    done = sum(response.status_code == 200 for response in admitted)
    failed = sum(response.status_code == 400 for response in broken)
    measured, wanted = await _sum(ledger), done * WINDOW_SECONDS * 1000
    return [
        Line("requests that failed before, and were refunded", f"{FAILING}", f"{failed}", failed == FAILING),
        Line("recordings admitted, of the quota", f"{FITTING}", f"{done}", done == FITTING),
        Line("others", "429 insufficient_quota", f"{len(refused)} {codes}", codes == {"insufficient_quota"}),
        Line("ledger of requests, after SIGTERM", f"{wanted} ms", f"{measured} ms", measured == wanted),
    ]


async def _post(client: httpx2.AsyncClient, data: bytes) -> httpx2.Response:
    return await client.post(PATH, files={"file": ("a.wav", data)})


async def _compared(made: World, name: str) -> Line:
    ledger = SqliteLedger(Path(made.url)) if made.kind == "sqlite" else RedisLedger(made.url)
    wanted = sum(_milliseconds(sound) for sound in made.expected.values())
    measured = await _sum(ledger)
    return Line(name, f"{wanted} ms of {len(made.expected)} jobs", f"{measured} ms", measured == wanted)


def _milliseconds(sound: Recording) -> int:
    return sound.seconds * 1000


async def _sum(ledger: Ledger) -> int:
    await ledger.open()
    try:
        return sum(day.audio_ms for day in await ledger.days(*ALWAYS))
    finally:
        await ledger.close()
