"""make feed: what everything but the model costs: python -m benchmarks.feed [--only rate,health,growth,memory]

rate    audio seconds per processor second of the whole server (ENGINE=fake, voice activity on) over what PyAV and the
        Silero VAD reach in a plain loop on the same files
health  99th percentile of /health while 128 long uploads come in at once
growth  processor time per minute of audio, one hour over ten minutes
memory  of a recording of four hours, above the idle server's

Prints the figures and what was to be reached, and writes build/feed/report.json. Exit status 1 if a line falls short.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from rich.console import Console
from rich.table import Table

from endpoint.bench.client import Client
from endpoint.bench.containers import encode
from endpoint.bench.figures import percentiles
from endpoint.bench.recordings import WORKLOADS, Recording, Workload, make
from endpoint.bench.request import TYPES, Request, form
from endpoint.bench.usage import Processes, watched
from endpoint.local import LocalServer, running_server
from endpoint.types import SAMPLE_RATE

FOLDER = Path("build/feed")
CONTAINERS = ("wav", "mp3", "opus", "m4a", "flac")
UPLOADS, HEALTH_EVERY = 128, 0.05  # seconds between two questions
HOURS = 4
SHARE, HEALTH_SECONDS, GROWTH, MEMORY_MIB = 0.8, 0.1, 0.1, 600  # what is to be reached

Check = tuple[str, str, str, bool]  # what, measured, wanted, met


def talk(minutes: float) -> Recording:
    """Ten minutes, as often as it takes: the words play no part here."""
    (part,) = make(Workload("long", WORKLOADS["long"].seconds, 1))
    samples = np.tile(part.samples, -(-int(minutes * 60 * SAMPLE_RATE) // len(part.samples)))
    return Recording("en", None, samples[: int(minutes * 60 * SAMPLE_RATE)])


def file(minutes: float, container: str) -> Path:
    """A recording of so many minutes, made once."""
    path = FOLDER / f"{minutes:g}-minutes.{container}"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(talk(minutes).samples, container))
    return path


def request(minutes: float, container: str) -> Request:
    silence = Recording("en", None, np.zeros(int(minutes * 60 * SAMPLE_RATE), np.int16))  # for its length only
    return Request(*form(file(minutes, container).read_bytes(), TYPES[container], {"model": "whisper-1"}), silence)


# ---- rate -------------------------------------------------------------------------------------------


def bare(paths: Sequence[str]) -> None:
    """Decode the files and find their speech in a plain loop; print the processor seconds. For a process of its own."""
    import io

    import av

    from endpoint.audio.vad import VoiceActivity, load

    load()
    files = [Path(path).read_bytes() for path in paths]
    began = time.process_time()
    for data in files:
        with av.open(io.BytesIO(data)) as container:
            resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE, frame_size=SAMPLE_RATE)
            frames = [
                part.to_ndarray()[0]
                for frame in (*container.decode(audio=0), None)
                for part in resampler.resample(frame)
            ]
        activity = VoiceActivity()
        activity.feed(np.concatenate(frames))
        activity.flush()
    print(time.process_time() - began)


def bare_seconds(container: str, times: int) -> float:
    command = [sys.executable, "-m", "benchmarks.feed", "--bare", *[str(file(10, container))] * times]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return float(done.stdout)


async def server_seconds(server: LocalServer, requests: Sequence[Request], at_once: int = 2) -> float:
    """Processor seconds of the whole server for these requests. Raises RuntimeError if one fails."""
    async with Client(f"{server.base}/v1", api_key="none", timeout=1800, stream=False) as client:
        numbers = iter(requests)

        async def caller() -> None:
            for item in numbers:
                if failure := (await client.ask(item)).failure:
                    raise RuntimeError(f"the server failed: {failure}")

        async with watched(Processes(server.pid)) as usage, asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(caller())
        return usage.cpu_seconds


def rate(server: LocalServer, rounds: int, console: Console) -> tuple[dict[str, Any], list[Check]]:
    times, found = 4, dict[str, Any]()
    for container in CONTAINERS:
        item, plain, whole = request(10, container), list[float](), list[float]()
        asyncio.run(server_seconds(server, [item]))
        for _ in range(rounds):
            plain.append(times * 600 / bare_seconds(container, times))
            whole.append(times * 600 / asyncio.run(server_seconds(server, [item] * times)))
        share = statistics.median(a / b for a, b in zip(whole, plain, strict=True))
        found[container] = {"bare": statistics.median(plain), "server": statistics.median(whole), "share": share}
        console.print(f"  {container}: {whole} of {plain}")
    lines = [
        (
            f"audio s per CPU s, {container}",
            f"{row['server']:.0f}, {row['share']:.0%} of {row['bare']:.0f}",
            f"at least {SHARE:.0%} of a plain loop",
            row["share"] >= SHARE,
        )
        for container, row in found.items()
    ]
    return found, lines


# ---- health -----------------------------------------------------------------------------------------


async def poll(base: str, over: asyncio.Event) -> list[tuple[float, float]]:
    """(second, latency) of every question to /health, both counted from when it was to be asked."""
    responses, began = list[tuple[float, float]](), time.perf_counter()
    async with httpx2.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:

        async def ask(intended: float) -> None:
            (await client.get(f"{base}/health")).raise_for_status()
            responses.append((intended - began, time.perf_counter() - intended))

        at = began
        while not over.is_set():
            group.create_task(ask(at))
            at += HEALTH_EVERY
            await asyncio.sleep(at - time.perf_counter())
    return responses


async def upload(base: str, container: str) -> float:
    """Send all at once, from another process; the seconds it took. Raises RuntimeError."""
    command = [sys.executable, "-m", "endpoint", "bench", "--url", f"{base}/v1", "--file", str(file(10, container))]
    command += ["--concurrency", str(UPLOADS), "--requests", str(UPLOADS), "--warm-up", "0", "--timeout", "1800"]
    began = time.perf_counter()
    pipes = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.PIPE}
    sender = await asyncio.create_subprocess_exec(*command, **pipes)
    _, output = await sender.communicate()
    if sender.returncode:
        raise RuntimeError(f"the uploads failed: {output.decode()}")
    return time.perf_counter() - began


def health(server: LocalServer, _: int, console: Console) -> tuple[dict[str, Any], list[Check]]:
    async def both(container: str) -> tuple[list[tuple[float, float]], float]:
        over = asyncio.Event()
        polling = asyncio.create_task(poll(server.base, over))
        try:
            took = await upload(server.base, container)
        finally:
            over.set()
        return await polling, took

    found, lines = dict[str, Any](), list[Check]()
    for container in ("mp3", "wav"):
        responses, took = asyncio.run(both(container))
        lags = percentiles([latency for _, latency in responses])
        assert lags is not None
        slow = [round(at) for at, latency in responses if latency >= HEALTH_SECONDS]
        by_second = {second: slow.count(second) for second in sorted(set(slow))}
        found[container] = {**vars(lags), "asked": len(responses), "seconds": took, "slow_by_second": by_second}
        console.print(f"  {container}: {found[container]}")
        what = f"/health p99 s, {UPLOADS} uploads of ten minutes, {container}"
        lines.append((what, f"{lags.p99:.3f}", f"under {HEALTH_SECONDS}", lags.p99 < HEALTH_SECONDS))
    return found, lines


# ---- growth, memory ---------------------------------------------------------------------------------


def growth(server: LocalServer, rounds: int, console: Console) -> tuple[dict[str, Any], list[Check]]:
    found, lines = dict[str, Any](), list[Check]()
    for container in ("wav", "mp3"):
        short, long = request(10, container), request(60, container)
        pairs = [
            (asyncio.run(server_seconds(server, [short] * 6, 1)), asyncio.run(server_seconds(server, [long], 1)))
            for _ in range(rounds)
        ]
        grown = statistics.median(b / a for a, b in pairs) - 1
        found[container] = {
            "ten_minutes": [a / 60 for a, _ in pairs],
            "hour": [b / 60 for _, b in pairs],
            "growth": grown,
        }
        console.print(f"  {container}: processor seconds of six files of ten minutes, and of an hour: {pairs}")
        what = f"cost per minute, an hour over ten minutes, {container}"
        lines.append((what, f"{grown:+.1%}", f"within {GROWTH:.0%}", abs(grown) < GROWTH))
    return found, lines


def memory(server: LocalServer, _: int, console: Console) -> tuple[dict[str, Any], list[Check]]:
    processes, found, lines = Processes(server.pid), dict[str, Any](), list[Check]()

    async def peak(item: Request) -> float:
        async with Client(f"{server.base}/v1", api_key="none", timeout=1800, stream=False) as client:
            async with watched(processes) as usage:
                outcome = await client.ask(item)
            if outcome.failure:
                raise RuntimeError(f"four hours of audio: {outcome.failure}")
        return usage.peak_mib

    for container in ("opus", "mp3"):
        item = request(60 * HOURS, container)
        idle = processes.memory_mib()
        most = asyncio.run(peak(item))
        size = len(item.body) / 1024 / 1024
        found[container] = {"idle": idle, "peak": most, "upload": size}
        console.print(f"  {container}, {size:.0f} MiB: {idle:.0f} MiB idle, {most:.0f} MiB at most")
        what = f"memory of {HOURS} hours, MiB above idle, {container} of {size:.0f} MiB"
        lines.append((what, f"{most - idle:.0f}", f"under {MEMORY_MIB}", most - idle < MEMORY_MIB))
    return found, lines


PARTS: dict[str, Callable[[LocalServer, int, Console], tuple[dict[str, Any], list[Check]]]] = {
    "rate": rate,
    "health": health,
    "growth": growth,
    "memory": memory,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--bare", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        bare(args.bare)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and the server that was started stops
    console, figures, lines = Console(width=160, soft_wrap=True), dict[str, Any](), list[Check]()
    # 128 uploads wait for a few decoding processes: longer than a request should, on a busy machine.
    os.environ |= {"ENGINE": "fake", "DECODE_TIMEOUT_SECONDS": "1800", "REQUEST_TIMEOUT_SECONDS": "3600"}
    for name in args.only.split(","):
        console.print(f"{name}, load {os.getloadavg()[0]:.1f}")
        with running_server() as server:
            figures[name], found = PARTS[name](server, args.rounds, console)
        lines += found
    table = Table(title="what was to be reached")
    for column in ("what", "measured", "wanted", ""):
        table.add_column(column)
    for what, measured, wanted, met in lines:
        table.add_row(what, measured, wanted, "yes" if met else "NO")
    console.print(table)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "report.json").write_text(json.dumps({"figures": figures, "checks": lines}, indent=1) + "\n")
    return 0 if all(met for *_, met in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
