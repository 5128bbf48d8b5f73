"""`endpoint bench`: drive a running OpenAI-compatible server and print what it did.

Closed loop: each of C callers sends its next request when the last is answered. Bodies are encoded
beforehand and the process does nothing else, so that the figures are the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import secrets
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
from rich.console import Console
from rich.table import Table

from endpoint.errors import InvalidRequest, Unavailable
from endpoint.types import WINDOW_SECONDS

SAMPLE = Path(__file__).parents[1] / "demo" / "samples" / "english.wav"


@dataclass(frozen=True)
class Result:
    """One concurrency. Rates are per second of wall time; latencies in seconds."""

    concurrency: int
    requests: int
    failures: int
    wall_seconds: float
    windows_per_second: float
    audio_seconds_per_second: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Load:
    """One encoded request: its body, and the audio in it."""

    url: str
    body: bytes
    headers: dict[str, str]
    audio_seconds: float

    @property
    def windows(self) -> int:
        return max(1, math.ceil(self.audio_seconds / WINDOW_SECONDS))


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endpoint bench", description=__doc__.split("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1", help="base URL, as clients have it")
    parser.add_argument("--file", type=Path, default=SAMPLE, help="recording to send")
    parser.add_argument("--concurrency", type=_levels, default="1,64", help="numbers of callers, one run each")
    parser.add_argument("--requests", type=int, default=0, help="requests a run; 0: four for every caller, at least 32")
    parser.add_argument("--language", help="say the language; unset: the server detects it")
    parser.add_argument("--api-key", default="none")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args(argv)
    if not args.file.is_file():
        raise InvalidRequest(f"no such file: {args.file}")
    results = asyncio.run(_sweep(args))
    _print(results)
    if args.json:
        args.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    return 1 if any(result.failures for result in results) else 0


def _levels(text: str) -> list[int]:
    """ "1,64" as [1, 64]. Raises ValueError, which argparse words."""
    levels = [int(part) for part in text.split(",")]
    if min(levels) < 1:
        raise ValueError(text)
    return levels


async def _sweep(args: argparse.Namespace) -> list[Result]:
    levels: list[int] = args.concurrency
    limits = httpx2.Limits(max_connections=max(levels))
    async with httpx2.AsyncClient(timeout=600, limits=limits) as client:
        load = await _prepare(client, args)
        results = []
        for level in levels:
            count = args.requests or max(32, 4 * level)
            print(f"{count} requests, {level} at once ...", file=sys.stderr, flush=True)
            results.append(await _closed_loop(client, load, level, count))
        return results


async def _prepare(client: httpx2.AsyncClient, args: argparse.Namespace) -> Load:
    """Encode the request, and send it once to warm the server and learn how long the recording is."""
    mark = secrets.token_hex(16)
    fields = {"response_format": "verbose_json", **({"language": args.language} if args.language else {})}
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
    ]
    name = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="audio"\r\n\r\n'.encode()
    body = b"".join((*parts, name, args.file.read_bytes(), f"\r\n--{mark}--\r\n".encode()))
    headers = {"Content-Type": f"multipart/form-data; boundary={mark}", "Authorization": f"Bearer {args.api_key}"}
    url = f"{args.url.rstrip('/')}/audio/transcriptions"
    try:
        reply = await client.post(url, content=body, headers=headers)
    except httpx2.HTTPError as error:
        raise Unavailable(f"{url} does not answer ({type(error).__name__}); is the server running?") from error
    if reply.status_code != httpx2.codes.OK:
        raise InvalidRequest(f"{url} answered {reply.status_code}: {reply.text[:300]}")
    return Load(url, body, headers, float(reply.json()["duration"]))


async def _closed_loop(client: httpx2.AsyncClient, load: Load, callers: int, count: int) -> Result:
    left, latencies, failures = count, list[float](), 0

    async def caller() -> None:
        nonlocal left, failures
        while left > 0:
            left -= 1
            began = time.perf_counter()
            try:
                reply = await client.post(load.url, content=load.body, headers=load.headers)
                failures += reply.status_code != httpx2.codes.OK
            except httpx2.HTTPError:
                failures += 1
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    wall = time.perf_counter() - began
    done = count - failures
    cut = statistics.quantiles(latencies * 2 if count == 1 else latencies, n=100, method="inclusive")
    return Result(
        concurrency=callers,
        requests=count,
        failures=failures,
        wall_seconds=wall,
        windows_per_second=done * load.windows / wall,
        audio_seconds_per_second=done * load.audio_seconds / wall,
        p50=cut[49],
        p95=cut[94],
        p99=cut[98],
    )


def _print(results: Sequence[Result]) -> None:
    table = Table(show_edge=False)
    for head in ("at once", "requests", "failed", "windows/s", "audio s/s", "p50 s", "p95 s", "p99 s"):
        table.add_column(head, justify="right")
    for r in results:
        rates = f"{r.windows_per_second:.1f}", f"{r.audio_seconds_per_second:.0f}"
        times = f"{r.p50:.3f}", f"{r.p95:.3f}", f"{r.p99:.3f}"
        table.add_row(str(r.concurrency), str(r.requests), str(r.failures), *rates, *times)
    Console().print(table)
