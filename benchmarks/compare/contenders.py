"""Everybody who is compared: a server each, a tree of processes that stands still while it is not its turn."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.compare.settings import ENVIRONMENT, server_flags
from benchmarks.human.clips import Clip
from endpoint.bench.usage import Processes
from endpoint.net import free_port

START_SECONDS = 600
STOP_SECONDS = 20
LONGEST_SECONDS = 1800  # that a request may take
SEARCH_SECONDS = 300  # the same with a beam search; then it has failed
PACKAGES = Path("build/peers")

OURS, STOCK, FASTER, INT8 = "this endpoint", "vLLM's server", "faster-whisper float32", "faster-whisper int8"
NAMES = (OURS, STOCK, FASTER, INT8)


@dataclass(frozen=True)
class Row:
    """seconds: of wall time for all. cpu: processor seconds of the server. texts: by clip. latencies: in seconds."""

    seconds: float
    cpu: float
    texts: dict[str, str]
    latencies: list[float]
    failures: int = 0


class Contender:
    """A process with all that it starts. `turn` lets it run, `rest` stops it: an idle server costs its neighbours."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], log: Path, folder: Path | None = None
    ) -> None:
        """folder: to start in."""
        self.name, self.log, self._port = name, log, free_port()
        self._output = log.open("w")
        command = [*command, "--host", "127.0.0.1", "--port", str(self._port)]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _tree(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def wait(self) -> None:
        """Until it is ready. Raises RuntimeError."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(httpx2.TransportError):
                if httpx2.get(f"{self.base}/health", timeout=5).status_code == 200:
                    return
            time.sleep(0.5)
        raise RuntimeError(f"{self.name} did not start (status {self._process.poll()}); see {self.log}")

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
        _, left = psutil.wait_procs(tree, timeout=60)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._output.close()

    def measure(self, clips: Sequence[Clip], at_once: int, *, language: bool, beam: int = 1) -> Row:
        """All of `clips`, by `at_once` callers."""
        processes = Processes(self._process.pid)
        before, began = processes.cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            results = list(pool.map(lambda clip: self._ask(clip, language, beam), clips))
        seconds = time.perf_counter() - began
        texts = {clip.name: text or "" for clip, (text, _) in zip(clips, results, strict=True)}
        failures = sum(text is None for text, _ in results)
        return Row(seconds, processes.cpu_seconds() - before, texts, [took for _, took in results], failures)

    def _ask(self, clip: Clip, language: bool, beam: int) -> tuple[str | None, float]:
        """Text, None for an error; and how long it took."""
        data: dict[str, Any] = {"model": "whisper", "response_format": "json", "temperature": "0"}
        if self.name.startswith(OURS):
            del data["temperature"], data["model"]  # with it there would be no fallback
        if beam > 1 and self.name == STOCK:
            data |= {"use_beam_search": "true", "n": str(beam)}
        elif beam > 1:
            data["beam_size"] = str(beam)
        if language:
            data["language"] = clip.language
        longest = SEARCH_SECONDS if beam > 1 else LONGEST_SECONDS
        began, text = time.perf_counter(), None
        with clip.path.open("rb") as file, suppress(httpx2.TimeoutException):
            response = httpx2.post(
                f"{self.base}/v1/audio/transcriptions", data=data, files={"file": file}, timeout=longest
            )
            text = str(response.json()["text"]) if response.status_code == 200 else None
        return text, time.perf_counter() - began


def _still(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return True


def start(name: str, converted: Path, folder: Path, logs: Path) -> Contender:
    """converted, folder: the model as CTranslate2 and as Hugging Face have it."""
    log = logs / f"{name.replace(' ', '-')}.log"
    if name == OURS:
        settings = {"MODEL_ID": str(folder), "CPU_KV_CACHE_GIB": "1", "LOG_LEVEL": "warning"}
        return Contender(name, [sys.executable, "-m", "endpoint", "serve"], settings, log)
    if name == STOCK:
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
        flags = ["--served-model-name", "whisper", *server_flags(), "--disable-log-stats"]
        return Contender(name, [*command, *flags], ENVIRONMENT, log)
    command = [sys.executable, "-m", "benchmarks.compare.faster_server", str(converted), name.rsplit(maxsplit=1)[-1]]
    paths = os.pathsep.join(filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH"))))
    return Contender(name, command, {"PYTHONPATH": paths}, log)
