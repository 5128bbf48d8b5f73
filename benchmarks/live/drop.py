"""Sessions that are opened and dropped at any point leave nothing behind in the engine."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.human.clips import shipped
from endpoint.bench.containers import decode
from endpoint.live.runner import as_wave
from endpoint.types import SAMPLE_RATE

SESSIONS, AT_ONCE = 200, 40
LONGEST_SECONDS = 4.0
EMPTY_SECONDS = 1.0


async def dropped(base: str, add: Callable[[bool, str, str], None]) -> None:
    """The engine is empty when a request is as fast as before, EMPTY_SECONDS after the sessions' end."""
    speech, rng = decode(shipped()[0].path), random.Random(0)
    before = min([await _request(base, speech) for _ in range(3)])
    slots = asyncio.Semaphore(AT_ONCE)
    refused = 0

    async def one(seconds: float) -> None:
        nonlocal refused
        async with slots:
            try:
                await _open_and_drop(base, speech, seconds)
            except InvalidStatus:
                refused += 1

    seconds = [rng.uniform(0, LONGEST_SECONDS) for _ in range(SESSIONS)]
    await asyncio.gather(*map(one, seconds))
    await asyncio.sleep(EMPTY_SECONDS)
    after = await _request(base, speech)
    wanted = f"{SESSIONS} sessions dropped at any point; a request {EMPTY_SECONDS:g} s later takes as long as before"
    add(after < 2 * before + 0.5, wanted, f"{after:.2f} s, before {before:.2f} s; {refused} sessions refused")


async def _open_and_drop(base: str, speech, seconds: float) -> None:
    address = f"{base.replace('http', 'ws', 1)}/ws/transcribe?language=en"
    async with connect(address, max_size=None, compression=None) as socket:
        with suppress(ConnectionClosed):
            end = time.monotonic() + seconds
            for at in range(0, len(speech), SAMPLE_RATE // 10):
                if time.monotonic() > end:
                    break
                await socket.send(speech[at : at + SAMPLE_RATE // 10].tobytes())
                await asyncio.sleep(0.1)
        socket.transport.abort()  # without a goodbye


async def _request(base: str, speech) -> float:
    began = time.monotonic()
    async with httpx2.AsyncClient(timeout=600) as client:
        file = {"file": ("speech.wav", as_wave(speech[: 5 * SAMPLE_RATE]), "audio/wav")}
        (await client.post(f"{base}/v1/audio/transcriptions", files=file)).raise_for_status()
    return time.monotonic() - began
