"""This endpoint: its server on the real engine with every default, asked over HTTP as a client asks."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.quality.recordings import Recording
from endpoint.net import free_port

REPEATS = 5
LABELLED = 28  # files for the cost of no language: the long ones, and some short ones
START_SECONDS = 300
PACKAGES = Path("build/peers")  # what is compared with, see the Makefile


@contextmanager
def serving(model: Path, log: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "MODEL_ID": str(model), "CPU_KV_CACHE_GIB": "1", "LOG_LEVEL": "warning"}
    base = f"http://127.0.0.1:{port}"
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    try:
        end = time.monotonic() + START_SECONDS
        while not _healthy(base):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start; see {log}")
            time.sleep(0.3)
        yield base
    finally:
        server.terminate()
        server.wait(90)


def _healthy(base: str) -> bool:
    try:
        return httpx2.get(f"{base}/health", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def ask(base: str, path: Path, **fields: Any) -> dict[str, Any]:
    """verbose_json of one recording; raises for an error."""
    given = {"response_format": "verbose_json", **{name: value for name, value in fields.items() if value is not None}}
    with path.open("rb") as file:
        response = httpx2.post(
            f"{base}/v1/audio/transcriptions", data=given, files={"file": (path.name, file)}, timeout=600
        )
    if response.status_code != 200:
        raise RuntimeError(f"{path.name}: {response.status_code} {response.text[:500]}")
    result: dict[str, Any] = response.json()
    return result


def transcribe_all(base: str, folder: Path, recordings: Sequence[Recording]) -> dict[str, dict[str, Any]]:
    results = {}
    for item in recordings:
        language = "multi" if item.set == "two languages" else item.label
        began = time.perf_counter()
        result = ask(base, folder / item.name, language=language, **{"timestamp_granularities[]": ["word", "segment"]})
        results[item.name] = {**result, "seconds": time.perf_counter() - began}
    return results


def unlabelled(recordings: Sequence[Recording]) -> list[Recording]:
    """Files of one language that nobody names."""
    return [item for item in recordings if item.set.startswith("unlabelled")]


def cost_of_no_language(base: str, folder: Path, recordings: Sequence[Recording]) -> float:
    """Wall time without a language over with one, on some of the unlabelled files of every language, alternated."""
    items = unlabelled(recordings)[-LABELLED:]
    return _ratio(
        lambda: [ask(base, folder / item.name) for item in items],
        lambda: [ask(base, folder / item.name, language=item.languages[0]) for item in items],
    )


def cost_of_words(base: str, folder: Path, recordings: Sequence[Recording]) -> float:
    """Wall time with word timestamps over without, on the talks, alternated."""
    items = [item for item in recordings if item.set == "talk"]
    words = {"timestamp_granularities[]": ["word", "segment"]}
    return _ratio(
        lambda: [ask(base, folder / item.name, language=item.label, **words) for item in items],
        lambda: [ask(base, folder / item.name, language=item.label) for item in items],
    )


def _ratio(one: Any, other: Any) -> float:
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(REPEATS + 1):
        for work, kept in zip((one, other), times, strict=True):
            began = time.perf_counter()
            work()
            if turn:  # the first turn warms up
                kept.append(time.perf_counter() - began)
    return statistics.median(times[0]) / statistics.median(times[1])


def in_process(name: str, *arguments: str) -> dict[str, Any]:
    """The JSON that `python -m benchmarks.quality.NAME` prints as its last line. Raises RuntimeError."""
    result: dict[str, Any] = json.loads(_run(f"benchmarks.quality.{name}", *arguments).splitlines()[-1])
    return result


def rules_differ(test: str) -> float:
    """0 when the decoding rules pass `test` beside the package openai-whisper. Raises RuntimeError."""
    if "1 skipped" in (outcome := _run("pytest", "-q", "-k", "package", test).splitlines()[-1]):
        raise RuntimeError("openai-whisper is not installed in build/peers")
    if "1 passed" not in outcome:
        raise RuntimeError(outcome)
    return 0.0


def _run(module: str, *arguments: str) -> str:
    """What a module of Python prints, with the packages of the peers. Raises RuntimeError with its last lines."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed: {(done.stderr.strip() or done.stdout.strip())[-2000:]}")
    return done.stdout.strip()
