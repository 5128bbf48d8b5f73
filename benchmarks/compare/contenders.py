"""Everybody who is compared, each a tree of processes that stands still while it is not its turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.compare.cases import CONCURRENCY, Case, Size
from benchmarks.compare.settings import ENVIRONMENT, server_flags
from benchmarks.quality.ours import PACKAGES
from endpoint.bench.usage import Processes
from endpoint.net import free_port

START_SECONDS = 600
IDLE_SECONDS = 5
STOP_SECONDS = 20
CASE_SECONDS = 1800  # longest that anything may take

Row = dict[str, Any]  # of one case: audio_seconds_per_second, windows_per_second, requests_per_second, wer, latencies


class Contender:
    """A process with all that it starts. `turn` lets it run, `rest` stops it: an idle server costs its neighbours."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path, **pipes: Any) -> None:
        self.name, self.log = name, log
        self._output = log.open("w")
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stderr=self._output, text=True, start_new_session=True, **pipes
        )

    def _tree(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def rest(self) -> None:
        """Stop, and wait until all have: a stop takes effect when the kernel gets to it."""
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end and (moving := [p for p in self._tree() if not _still(p)]):
            for process in moving:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            time.sleep(0.01)

    def turn(self) -> None:
        for process in reversed(self._tree()):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def close(self) -> None:
        self.turn()
        tree = self._tree()
        self._process.terminate()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        _, left = psutil.wait_procs(tree, timeout=60)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._output.close()

    def idle(self) -> float:
        """Share of a core that it takes when there is nothing to do."""
        processes = Processes(self._process.pid)
        before = processes.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        return (processes.cpu_seconds() - before) / IDLE_SECONDS

    def wait(self) -> None:
        """Until it is ready. Raises RuntimeError."""
        raise NotImplementedError

    def measure(self, case: Case, size: Size) -> Row:
        raise NotImplementedError

    def _fail(self, what: str) -> RuntimeError:
        return RuntimeError(f"{self.name}: {what}; see {self.log}")


def _still(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


class Server(Contender):
    """Asked over HTTP by `endpoint bench`, in a process of its own."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._port, self._figures = free_port(), log.with_suffix(".json")
        where = ["--host", "127.0.0.1", "--port", str(self._port)]
        super().__init__(name, [*command, *where], environment, log, stdout=subprocess.DEVNULL)

    def wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(httpx2.TransportError):
                if httpx2.get(f"http://127.0.0.1:{self._port}/health", timeout=5).status_code == 200:
                    return
            time.sleep(0.5)
        raise self._fail(f"it did not start (status {self._process.poll()})")

    def measure(self, case: Case, size: Size) -> Row:
        command = [sys.executable, "-m", "endpoint", "bench", "--url", f"http://127.0.0.1:{self._port}/v1"]
        command += ["--pid", str(self._process.pid), "--workload", case.workload, "--json", str(self._figures)]
        command += ["--timeout", str(CASE_SECONDS), *(["--language", "spoken"] if case.language else [])]
        if case.rate is None:
            command += ["--concurrency", str(CONCURRENCY), "--requests", str(size.requests[case.workload])]
        else:
            command += ["--rate", str(case.rate), "--seconds", str(size.seconds[case.workload])]
        command += ["--warm-up", "1" if case.workload == "long" else str(CONCURRENCY)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * CASE_SECONDS, check=False)
        if done.returncode:
            raise self._fail(done.stderr.strip())
        (row,) = json.loads(self._figures.read_text())["runs"]
        return dict(row)


class Bare(Contender):
    """An engine or a library without a server: benchmarks/compare/bare.py. It knows closed loops with a language."""

    def __init__(self, name: str, model: Path, size: str, environment: dict[str, str], log: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.compare.bare", name, str(model), size]
        super().__init__(name, command, environment, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _answer(self) -> Row:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._fail("it ended")
        return dict(json.loads(line))

    def wait(self) -> None:
        self._answer()

    def measure(self, case: Case, size: Size) -> Row:
        assert self._process.stdin is not None
        before = Processes(self._process.pid).cpu_seconds()
        self._process.stdin.write(f"{case.workload}\n")
        self._process.stdin.flush()
        row = self._answer()
        row["server_cpu_seconds"] = Processes(self._process.pid).cpu_seconds() - before
        row["audio_seconds_per_second"] = row["audio_seconds"] / row["seconds"]
        row["windows_per_second"] = row["windows"] / row["seconds"]
        return row


OURS, STOCK, ENGINE, FASTER, REFERENCE = (
    "this endpoint",
    "vLLM's server",
    "vllm engine",
    "faster-whisper",
    "openai-whisper",
)
SERVERS = (OURS, STOCK)
BARE = (ENGINE, FASTER, REFERENCE)


def start(name: str, model: Path, size: str, folder: Path) -> Contender:
    log = folder / f"{name.replace(' ', '-')}.log"
    if name == OURS:
        settings = {"MODEL_ID": str(model), "CPU_KV_CACHE_GIB": "1", "LOG_LEVEL": "warning"}
        return Server(name, [sys.executable, "-m", "endpoint", "serve"], settings, log)
    if name == STOCK:
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        flags = ["--served-model-name", "whisper", *server_flags(), "--disable-log-stats"]
        return Server(name, [*command, *flags], ENVIRONMENT, log)
    packages = {} if name == ENGINE else {"PYTHONPATH": str(PACKAGES)}
    return Bare(name, model, size, {**ENVIRONMENT, **packages}, log)
