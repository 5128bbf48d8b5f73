"""Processes of our own: started, killed, paused, and ended at the end whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.chaos.timeline import END, GO_ON, KILL, PAUSE, READY, START, Timeline
from endpoint.config import environment

START_SECONDS = 300.0  # of vLLM, where others keep the machine busy
END_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Process:
    """A row of the timeline: one command that can be started again and again.

    Its children end with it: those that decode see their socket close, and the group is killed at the end.
    """

    def __init__(
        self, name: str, command: Sequence[str], settings: Mapping[str, str], folder: Path, timeline: Timeline
    ) -> None:
        self.name, self._command, self._timeline = name, command, timeline
        self._environment = {**environment(), **settings}
        self._folder = folder
        self._running: subprocess.Popen[bytes] | None = None
        self.logs = list[Path]()  # one for each start
        self.pids = list[int]()

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        assert not self.alive
        self.logs.append(self._folder / f"{self.name.replace(' ', '-')}-{len(self.logs)}.log")
        with self.logs[-1].open("wb") as output:
            self._running = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one thread forks
            )
        self.pids.append(self._running.pid)
        self._timeline.mark(self.name, START)

    def kill(self) -> None:
        """SIGKILL, to this process alone."""
        assert self._running is not None
        self._running.kill()
        self._running.wait()
        self._timeline.mark(self.name, KILL)

    def died(self) -> bool:
        """Whether it was ended by a kill that was not ours; noted once."""
        if self._running is None or self._running.poll() is None:
            return False
        self._timeline.mark(self.name, KILL)
        self._running = None
        return True

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self._timeline.mark(self.name, PAUSE)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self._timeline.mark(self.name, GO_ON)

    async def end(self) -> int | None:
        """SIGTERM, and SIGKILL for what is left of its group. Its exit status; None where it did not run."""
        running, self._running = self._running, None
        if running is None:
            return None
        if running.poll() is None:
            running.send_signal(signal.SIGCONT)
            running.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(running.wait, END_SECONDS)
            self._timeline.mark(self.name, END)
        self._sweep(running)
        return running.returncode

    def end_now(self) -> None:
        if self._running is not None:
            self._sweep(self._running)

    def _sweep(self, running: subprocess.Popen[bytes]) -> None:
        if running.poll() is None:
            running.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    async def wait_for(self, event: str) -> None:
        """A line of the log of this start."""
        end = time.monotonic() + START_SECONDS
        while not any(line.get("event") == event for line in self.lines(-1)):
            if not self.alive or time.monotonic() > end:
                raise RuntimeError(f"{self.name} is not ready: {self.logs[-1].read_text()[-2000:]}")
            await asyncio.sleep(0.05)
        self._timeline.mark(self.name, READY)

    async def wait_ready(self, base: str) -> None:
        end = time.monotonic() + START_SECONDS
        async with httpx2.AsyncClient(timeout=2) as client:
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await client.get(f"{base}/ready")).status_code == 200:
                        break
                if not self.alive or time.monotonic() > end:
                    raise RuntimeError(f"{self.name} is not ready: {self.logs[-1].read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        self._timeline.mark(self.name, READY)

    def lines(self, start: int | None = None) -> Iterator[dict[str, Any]]:
        """What it logged, with `at` in seconds since 1970 and `pid`; of one start, or of all."""
        for log, pid in list(zip(self.logs, self.pids, strict=True))[slice(None) if start is None else slice(-1, None)]:
            for text in log.read_text(errors="replace").splitlines():
                if text.startswith("{") and text.endswith("}"):
                    line = json.loads(text)
                    yield line | {"at": datetime.fromisoformat(line["timestamp"]).timestamp(), "pid": pid}


def die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def endpoint(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "endpoint", *arguments]
