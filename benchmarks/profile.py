"""make profile: where a request's processor time goes: python -m benchmarks.profile [--engine fake]

A server under 16 callers is sampled by py-spy, all its processes. The processor time of each process, as the kernel
counts it, is shared out over the stages by the stacks seen in it; a stack belongs to the first stage below that one of
its frames names, from the innermost outwards. Time of native threads goes with the stacks of their process.
Prints milliseconds of processor time per minute of audio, and writes build/profile/ENGINE-WORKLOAD.json beside the
stacks (.txt, for flame graphs).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from endpoint.bench.client import Client
from endpoint.bench.loops import closed_loop
from endpoint.bench.recordings import WORKLOADS, make
from endpoint.bench.request import requests
from endpoint.local import LocalServer, running_server

FOLDER = Path("build/profile")
CALLERS, RATE = 16, 100  # samples a second
ATTACH_SECONDS = 3  # until py-spy has found all processes

# Stage -> what its frames look like, "function (file:line)"; the first that matches, from the innermost frame outwards.
STAGES = {
    "waiting busily": r"^sched_yield|SpinCondition|^memory_fence",
    "voice activity": r"endpoint/audio/vad\.py|onnxruntime|^detect_speech \(",
    "decode": r"endpoint/audio/worker/|^av/",
    "hand-over to decoding": r"endpoint/audio/decode\.py",
    "windows": r"endpoint/audio/(spans|window)\.py|endpoint/core/(windows|multilingual)\.py|^_plan \(",
    "log-mel and prompt": r"feature_extract|vllm/(multimodal|renderers|inputs)/|input_processor|/(prompt|log_mel)\.py",
    "decoding rules": r"endpoint/engine/inside/(rules|logits_processor|logits_processor_v2)\.py",
    "model": r"vllm/(model_executor|v1/worker|v1/sample|v1/attention)/",
    "engine traffic": r"vllm/|zmq|msgspec|endpoint/engine/",
    "upload": r"endpoint/api/(upload|receive)\.py|httptools|h11|uvicorn/protocols|python_multipart|starlette/requests",
    "response": r"endpoint/(text|api|core)/|endpoint/tasks\.py|fastapi|starlette|pydantic",
    "event loop": r"uvicorn|asyncio|uvloop|selectors\.py|concurrent/futures|threading\.py",
}
_PATTERNS = {stage: re.compile(pattern) for stage, pattern in STAGES.items()}
OTHER = "other"


def stage_of(frames: Iterable[str]) -> str:
    """The stage of a stack, outermost frame first."""
    for frame in reversed(list(frames)):
        for stage, pattern in _PATTERNS.items():
            if pattern.search(frame):
                return stage
    return OTHER


def read_stacks(lines: Iterable[str]) -> dict[int, Counter[str]]:
    """Samples by process and stage, of py-spy's raw format: 'process 12:"python ...";frame;frame 34'."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for line in lines:
        stack, _, count = line.rstrip("\n").rpartition(" ")
        first, *frames = stack.split(";")
        if (process := re.match(r"process (\d+)", first)) is not None:
            while frames and frames[0].startswith("process "):  # its parents come before it
                process, frames = re.match(r"process (\d+)", frames[0]) or process, frames[1:]
            found[int(process[1])][stage_of(frames)] += int(count)
    return found


def kind(process: psutil.Process, root: int) -> str:
    """Which of the server's processes it is."""
    words = " ".join(process.cmdline())
    if process.pid == root:
        return "API"
    if "audio.worker" in words:
        return "decoding"
    return "engine" if "VLLM" in words or "spawn_main" in words else "other"


def seconds(root: int) -> dict[int, tuple[str, float]]:
    """(which process, processor seconds so far) of every process of the server."""
    found = {}
    for process in (psutil.Process(root), *psutil.Process(root).children(recursive=True)):
        times = process.cpu_times()
        found[process.pid] = (kind(process, root), times.user + times.system)
    return found


def share_out(
    spent: Mapping[int, tuple[str, float]], stacks: Mapping[int, Counter[str]]
) -> dict[tuple[str, str], float]:
    """Processor seconds by process and stage; a process that no sample was taken of is OTHER."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for pid, (name, total) in spent.items():
        counts = stacks.get(pid) or Counter({OTHER: 1})
        for stage, count in counts.items():
            found[name, stage] += total * count / counts.total()
    return dict(found)


class Sampler:
    """py-spy on a process and all its children, within a `with` block; `stacks` afterwards."""

    def __init__(self, pid: int, path: Path) -> None:
        self._path, self.stacks = path, dict[int, Counter[str]]()
        paths = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
        self._command = [shutil.which("py-spy", path=paths) or "py-spy", "record", "--pid", str(pid), "--subprocesses"]
        self._command += ["--format", "raw", "--rate", str(RATE), "--duration", "3600", "--output", str(path)]

    def __enter__(self) -> Sampler:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(ATTACH_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)  # it then writes what it has
        _, output = self._process.communicate(timeout=60)
        if not self._path.exists():
            raise RuntimeError(f"py-spy failed: {output.strip()}")
        self.stacks = read_stacks(self._path.read_text().splitlines())


async def profile(
    server: LocalServer, args: argparse.Namespace, path: Path
) -> tuple[dict[tuple[str, str], float], float]:
    """(processor seconds by process and stage, seconds of audio). Raises RuntimeError."""
    async with Client(f"{server.base}/v1", api_key="none", timeout=1800, stream=False) as client:
        made = requests(make(WORKLOADS[args.workload]), ("wav",), {"model": await client.model()}, say_language=True)
        await closed_loop(client, made, CALLERS, min(CALLERS, args.requests))
        with Sampler(server.pid, path) as sampler:
            before = seconds(server.pid)
            outcomes = await closed_loop(client, made, CALLERS, args.requests)
            after = seconds(server.pid)
    if failed := [outcome.failure for outcome in outcomes if outcome.failure]:
        raise RuntimeError(f"the server failed: {failed[0]}")
    spent = {pid: (name, total - before.get(pid, (name, 0.0))[1]) for pid, (name, total) in after.items()}
    return share_out(spent, sampler.stacks), sum(outcome.request.recording.seconds for outcome in outcomes)


def show(console: Console, found: Mapping[tuple[str, str], float], audio_seconds: float) -> None:
    total = sum(found.values())
    table = Table(title=f"{audio_seconds:.0f} s of audio, {audio_seconds / total:.0f} audio seconds per CPU second")
    for head in ("process", "stage", "ms of CPU per minute of audio", "share"):
        table.add_column(head, justify="left" if head in ("process", "stage") else "right")
    for (process, stage), spent in sorted(found.items(), key=lambda item: -item[1]):
        if spent >= 0.001 * total:
            table.add_row(process, stage, f"{spent * 60_000 / audio_seconds:.1f}", f"{spent / total:.1%}")
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("fake", "vllm"), default="vllm")
    parser.add_argument("--workload", choices=WORKLOADS, default="packed")
    parser.add_argument("--requests", type=int, default=128)
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{args.engine}-{args.workload}.txt"
    path.unlink(missing_ok=True)
    os.environ["ENGINE"] = args.engine
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and the server that was started stops
    with running_server() as server:
        found, audio_seconds = asyncio.run(profile(server, args, path))
    show(Console(width=120), found, audio_seconds)
    rows = [{"process": process, "stage": stage, "seconds": spent} for (process, stage), spent in found.items()]
    written = {"audio_seconds": audio_seconds, "load": os.getloadavg(), "stages": rows}
    path.with_suffix(".json").write_text(json.dumps(written, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
