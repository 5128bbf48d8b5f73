"""How long the API's event loop keeps others waiting while long recordings are uploaded; with the fake engine.

    python -m benchmarks.event_loop [--uploads 128] [--minutes 5] [--format wav]      (a minute; 10 MB a recording)

All uploads at once, from this process, to a server of its own. In the server a beat comes every 2 ms. Printed are the
longest and the 99th percentile of the times between two beats: by the clock, in which a busy machine counts, and in
processor time of the event loop's thread, in which it does not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import subprocess
import sys
import time
from typing import Any

import httpx2
import numpy as np

from endpoint.config import load_settings
from endpoint.net import free_port
from endpoint.observe.log import configure_logging
from tests.recordings import encode
from tests.talk import make_talk

BEAT = 0.002  # seconds
CODECS = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "ogg": "libopus"}


async def watch(beats: list[tuple[float, float]]) -> None:
    """Note (seconds by the clock, processor seconds) between beats."""
    wall, spent = time.perf_counter(), time.thread_time()
    while True:
        await asyncio.sleep(BEAT)
        now, used = time.perf_counter(), time.thread_time()
        beats.append((now - wall, used - spent))
        wall, spent = now, used


def serve(port: int) -> None:
    """The server, until its standard input ends; then prints what the watch has found."""
    import uvicorn

    from endpoint.wiring import build_app

    configure_logging("error")  # standard output is read at the end only: a full pipe would stop the server
    settings = load_settings(engine="fake", port=port, max_concurrent_requests=1024, log_level="error")

    async def main() -> None:
        server = uvicorn.Server(uvicorn.Config(build_app(settings), port=port, log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.05)
        beats: list[tuple[float, float]] = []
        watching = asyncio.create_task(watch(beats))
        await asyncio.to_thread(sys.stdin.read)
        watching.cancel()
        server.should_exit = True
        await serving
        wall, spent = np.array(beats).T * 1000
        found = {"beats": len(beats)}
        for name, times in (("clock", wall), ("processor", spent)):
            found |= {f"{name} longest ms": times.max(), f"{name} p99 ms": np.percentile(times, 99)}
        print(json.dumps(found))

    with asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(main())


def _loop() -> Any:
    """uvloop, as uvicorn takes."""
    import uvloop

    return uvloop.new_event_loop


async def upload(url: str, body: bytes, headers: dict[str, str], count: int) -> float:
    """Seconds until all have a response."""
    async with httpx2.AsyncClient(timeout=600, limits=httpx2.Limits(max_connections=count)) as client:
        await client.post(url, content=body, headers=headers)
        began = time.perf_counter()
        responses = await asyncio.gather(*(client.post(url, content=body, headers=headers) for _ in range(count)))
    assert {response.status_code for response in responses} == {200}, responses
    return time.perf_counter() - began


def encoded(minutes: float, kind: str) -> tuple[bytes, dict[str, str]]:
    """The body of a request with a talk of so many minutes, and its headers."""
    sound = np.frombuffer(make_talk(minutes * 60).wav, np.int16)[22:]
    rate = 48_000 if kind == "ogg" else 16_000
    file = encode(sound[np.newaxis], kind, CODECS[kind], rate, from_rate=16_000)
    mark = secrets.token_hex(16)
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="talk"\r\n\r\n'
    body = b"".join([head.encode(), file, f"\r\n--{mark}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={mark}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=128)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--format", choices=CODECS, default="wav")
    parser.add_argument("--serve", type=int, help="be the server, on this port")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    body, headers = encoded(args.minutes, args.format)
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/audio/transcriptions"
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.event_loop", "--serve", str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        try:
            _wait(f"http://127.0.0.1:{port}/health")
            seconds = asyncio.run(upload(url, body, headers, args.uploads))
            found = json.loads(server.communicate("", timeout=60)[0].splitlines()[-1])
        finally:
            server.kill()
    print({"seconds": round(seconds, 1), **{name: round(value, 1) for name, value in found.items()}})


def _wait(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx2.get(url).status_code == httpx2.codes.OK:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
