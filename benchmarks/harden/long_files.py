"""Check 19: 128 long files at once keep neither the event loop nor /health waiting."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.event_loop import encoded, upload
from benchmarks.harden.report import Found, Line
from endpoint.net import free_port

UPLOADS, MINUTES = 128, 10.0
SMALL_UPLOADS, SMALL_MINUTES = 32, 1.0
LOOP_MS, HEALTH_MS = 50.0, 100.0
POLL_SECONDS = 0.05
WATCHED_SECONDS = 120.0  # at most: what is not decoded by then is given up, as its client does that leaves


async def check(folder: Path, small: bool) -> Found:
    uploads, minutes = (SMALL_UPLOADS, SMALL_MINUTES) if small else (UPLOADS, MINUTES)
    body, headers = await asyncio.to_thread(encoded, minutes, "ogg")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    loop = await _process("benchmarks.event_loop", "--serve", str(port))
    try:
        await _ready(f"{base}/health")
        poller = await _process("benchmarks.harden.long_files", f"{base}/health")
        try:
            began = time.monotonic()
            sending = asyncio.ensure_future(upload(f"{base}/v1/audio/transcriptions", body, headers, uploads))
            await asyncio.wait({sending}, timeout=WATCHED_SECONDS)
            seconds, ended = time.monotonic() - began, sending.done()
            health = json.loads((await poller.communicate(b""))[0])
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=not ended)  # an upload that failed is an error
        finally:
            _kill(poller)
        beats = json.loads((await loop.communicate(b""))[0].splitlines()[-1])
    finally:
        _kill(loop)
    waited, spent = beats["clock p99 ms"], beats["processor p99 ms"]
    slow = float(np.percentile(health, 99)) * 1000
    what = f"{uploads} files of {minutes:g} minutes, {'all done in' if ended else 'watched for'} {seconds:.0f} s"
    return Found(
        [
            Line(
                f"between two beats of 2 ms of the event loop, 99 % ({what})",
                f"< {LOOP_MS:g} ms",
                f"{waited:.0f} ms by the clock, {spent:.0f} ms of its own processor time",
                waited < LOOP_MS,
                timed=True,
            ),
            Line(
                f"/health, 99 % of {len(health)}", f"< {HEALTH_MS:g} ms", f"{slow:.0f} ms", slow < HEALTH_MS, timed=True
            ),
        ]
    )


async def _process(module: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe)


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


async def _ready(url: str) -> None:
    end = time.monotonic() + 60
    async with httpx2.AsyncClient() as client:
        while time.monotonic() < end:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.2)
    raise RuntimeError("the server did not start")


async def poll(url: str) -> list[float]:
    """Seconds of each request, until standard input ends."""
    ending, took = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read)), list[float]()
    async with httpx2.AsyncClient(timeout=60) as client:
        while not ending.done():
            began = time.perf_counter()
            await client.get(url)
            took.append(time.perf_counter() - began)
            await asyncio.sleep(POLL_SECONDS)
    return took


if __name__ == "__main__":
    print(json.dumps(asyncio.run(poll(sys.argv[1]))))
