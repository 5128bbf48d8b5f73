"""Check 15: two servers on one Redis admit no more requests than the limit; after Retry-After the next one is taken."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import httpx2

from benchmarks.chaos.recordings import recording
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import redis, server

LIMIT, SMALL_LIMIT = 200, 50
TIMES = 3  # as many requests as the limit
AT_ONCE = 16
PATH = "/v1/audio/transcriptions"


async def check(folder: Path, small: bool) -> Found:
    limit = SMALL_LIMIT if small else LIMIT
    with redis(folder) as url:
        settings = {"JOBS_URL": url, "LIMIT_REQUESTS_PER_MINUTE": str(limit), "JOB_WORKERS": "0"}
        async with (
            server(folder, "one", **settings) as (_, first),
            server(folder, "two", **settings) as (_, second),
            httpx2.AsyncClient(timeout=60) as client,
        ):
            return await _sent(client, (first, second), limit)


async def _sent(client: httpx2.AsyncClient, bases: tuple[str, str], limit: int) -> Found:
    sound = recording(random.Random(1)).data
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> httpx2.Response:
        async with slots:
            return await client.post(bases[number % 2] + PATH, files={"file": ("a.wav", sound)})

    responses = await asyncio.gather(*(one(number) for number in range(TIMES * limit)))
    statuses = Counter(response.status_code for response in responses)
    refused = [response for response in responses if response.status_code == 429]
    codes = {response.json()["error"]["code"] for response in refused}
    waits = [response.headers.get("retry-after", "") for response in refused]
    headers = all("x-ratelimit-remaining-requests" in response.headers for response in responses)
    wait = max(int(text) for text in waits if text.isdecimal())
    await asyncio.sleep(wait)
    after = (await one(0)).status_code
    return Found(
        [
            Line(
                "requests admitted by both together", f"{limit} (+1 %)", f"{statuses[200]}", _few(statuses[200], limit)
            ),
            Line("others", "429 rate_limit_exceeded", f"{dict(statuses)}, {codes}", codes == {"rate_limit_exceeded"}),
            Line("Retry-After of all", "whole seconds", f"up to {wait}", all(text.isdecimal() for text in waits)),
            Line("x-ratelimit-... in all responses", "yes", f"{headers}", headers),
            Line("the next request after that wait", "200", f"{after}", after == 200),
        ]
    )


def _few(admitted: int, limit: int) -> bool:
    return limit <= admitted <= limit * 1.01
