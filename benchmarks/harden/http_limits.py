"""Bodies and heads without an end, and abused forms: each costs its own request only."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2

from benchmarks.harden.gateway import OPEN, ROUTE, asked
from benchmarks.harden.report import Found, Line
from benchmarks.harden.servers import server
from endpoint.bench.usage import Processes

PIECE = bytes(1 << 20)
BOUNDARY = "b" * 20
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
PART = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'.encode()


async def check(folder: Path, small: bool) -> Found:
    settings = {"MAX_UPLOAD_MB": "64", "JOBS_URL": "off"}
    async with (
        server(folder, engine={"delay": 1.0}, **settings) as (process, base),
        httpx2.AsyncClient(base_url=base, timeout=120, limits=OPEN) as client,
    ):
        usage = Processes(process.pid)
        assert await asked(client, base) == 200
        lines = await too_large(client, usage)
        lines += await forms(client)
        lines += await slow_heads(client, base, 50 if small else 500)
    return Found(lines)


async def too_large(client: httpx2.AsyncClient, usage: Processes) -> list[Line]:
    before, began = usage.memory_mib(), time.perf_counter()
    refused = await _before_the_body(client.base_url.port or 80)
    seconds = time.perf_counter() - began
    cut = await _status(client, _endless)
    grown = usage.memory_mib() - before
    return [
        Line(
            "a body that says it is too large",
            "413 in 0.1 s",
            f"{refused} in {seconds:.3f} s",
            refused == 413,
            timed=True,
        ),
        Line("a body without a length and without an end", "413", str(cut), cut == 413),
        Line("memory more than before", "at most 16 MiB", f"{grown:.1f} MiB", grown <= 16, timed=True),
    ]


async def _before_the_body(port: int) -> int:
    """The status of a request whose body is not sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = FORM["content-type"]
    writer.write(
        f"POST {ROUTE} HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\ncontent-length: {1 << 34}\r\n\r\n".encode()
    )
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def _endless() -> AsyncIterator[bytes]:
    yield PART + b"\r\n"
    while True:
        yield PIECE


async def _status(client: httpx2.AsyncClient, body: Callable[[], AsyncIterator[bytes]]) -> int:
    """Of a response; 413 also where it is cut off while the body is sent."""
    try:
        return (await client.post(ROUTE, content=body(), headers=FORM)).status_code
    except (httpx2.WriteError, httpx2.ReadError):
        return 413


async def forms(client: httpx2.AsyncClient) -> list[Line]:
    """Each while /health is asked all the time."""
    many_fields = b"&".join(b"a%d=b" % number for number in range(1_000_000))
    many_headers = PART + b"".join(b"x-%d: a\r\n" % number for number in range(100_000))
    many_parts = b"".join(PART.replace(b"file", b"f%d" % number) + b"\r\na\r\n" for number in range(100_000))
    lines = []
    for name, body, headers in (
        ("a million fields", many_fields, {"content-type": "application/x-www-form-urlencoded"}),
        ("100,000 headers of a part", many_headers, FORM),
        ("100,000 parts", many_parts, FORM),
        ("a wrong boundary", PART, {"content-type": "multipart/form-data; boundary=other"}),
    ):
        began = time.perf_counter()
        try:
            status = (await client.post(ROUTE, content=body, headers=headers)).status_code
        except (httpx2.WriteError, httpx2.ReadError):
            status = 0  # refused before all was sent
        seconds = time.perf_counter() - began
        found = f"{status} in {seconds:.2f} s"
        lines.append(Line(f"{name} ({len(body):,} bytes)", "400 or 413 in 1 s", found, status in (0, 400, 413)))
    return lines


async def slow_heads(client: httpx2.AsyncClient, base: str, count: int) -> list[Line]:
    """Connections whose head never ends, and /health beside them."""
    port = httpx2.URL(base).port
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for _, writer in connections:
        writer.write(b"GET /health HTTP/1.1\r\nx-slow: ")
    times = list[float]()

    async def ask() -> None:
        began = time.perf_counter()
        assert (await client.get("/health")).status_code == 200
        times.append(time.perf_counter() - began)

    await _each(ask, 100)
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        await asyncio.gather(*(reader.read() for reader, _ in connections))
    seconds = time.monotonic() - began
    for _, writer in connections:
        writer.close()
    slow = sorted(times)[98]
    return [
        Line(f"/health beside {count} heads that never end", "99 % in 0.1 s", f"{slow:.3f} s", slow < 0.1, timed=True),
        Line("until they are closed", "at most 25 s", f"{seconds:.1f} s", seconds < 25, timed=True),
    ]


async def _each(work: Callable[[], Awaitable[None]], times: int) -> None:
    for _ in range(times):
        await work()
