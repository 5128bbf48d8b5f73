"""Ray Serve: the conformance of the official client through it, and a replica of an engine killed under load."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from openai import AsyncOpenAI, OpenAIError

from tests.serve_cluster import serve_cluster

SPEECH = Path(__file__).parents[2] / "endpoint" / "demo" / "recordings" / "LJ001-0011.flac"
CHECKED = ("test_calls.py", "test_formats.py", "test_streams.py")
CALLERS, SECONDS, KILLS = 8, 60.0, 3
ENGINES = 3
DELAY = 0.5  # seconds of a window


def check(folder: Path, _: int) -> Iterator[tuple[bool, str]]:
    yield _conformance(folder)
    log = folder / "windows.txt"
    log.unlink(missing_ok=True)
    with serve_cluster(ENGINES, engine="fake", engine_args={"delay": DELAY, "log": str(log.absolute())}) as base:
        done, killed = asyncio.run(_load(base, log))
    failed = done["request failed"] + done["stream failed before its text"]
    yield killed == KILLS and failed == 0, f"{killed} replicas killed under load: {json.dumps(dict(done))}"


def _conformance(folder: Path) -> tuple[bool, str]:
    """Of the clients of `make conformance`, which installs them."""
    output = folder / "conformance.txt"
    paths = [f"tests/conformance/{name}" for name in CHECKED]
    with serve_cluster(1, model_id="test", cpu_kv_cache_gib=1) as base, output.open("w") as file:
        command = [sys.executable, "-m", "pytest", "-q", *paths, "--server", base, "-k", "not while_loading"]
        run = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    counts = re.findall(r"(\d+) (passed|failed|error)", output.read_text())
    return run.returncode == 0, f"conformance through Serve ({output}): {', '.join(' '.join(one) for one in counts)}"


async def _load(base: str, log: Path) -> tuple[Counter[str], int]:
    """Callers without a pause, every third with a stream; meanwhile the replica of the last window is killed."""
    counted, killed, stop = Counter[str](), 0, asyncio.Event()
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0, timeout=120) as client:
        callers = [asyncio.create_task(_call(client, number % 3 == 0, counted, stop)) for number in range(CALLERS)]
        for _ in range(KILLS):
            await asyncio.sleep(SECONDS / (KILLS + 1))
            with_pid = log.read_text().splitlines()[-1].split()  # noqa: ASYNC240 - a few kilobytes
            os.kill(int(with_pid[1]), signal.SIGKILL)
            killed += 1
        await asyncio.sleep(SECONDS / (KILLS + 1))
        stop.set()
        await asyncio.gather(*callers)
    return counted, killed


async def _call(client: AsyncOpenAI, stream: bool, counted: Counter[str], stop: asyncio.Event) -> None:
    data = await asyncio.to_thread(SPEECH.read_bytes)
    while not stop.is_set():
        begun = False
        try:
            if stream:
                events = await client.audio.transcriptions.create(model="whisper-1", file=("a.flac", data), stream=True)
                async for _ in events:
                    begun = True
            else:
                await client.audio.transcriptions.create(model="whisper-1", file=("a.flac", data))
        except OpenAIError as error:
            kind = "stream failed after its text had begun" if begun else "stream failed before its text"
            counted[kind if stream else "request failed"] += 1
            counted[f"{type(error).__name__}: {error}"[:160]] += 1
        else:
            counted["stream" if stream else "request"] += 1
