"""Starts a server on the loopback interface for the length of a block."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from endpoint.config import environment
from endpoint.errors import ConfigError
from endpoint.net import free_port

START_SECONDS = 300.0  # a first start may compile kernels
STOP_SECONDS = 60.0
LAST_LINES = 15


@dataclass(frozen=True)
class LocalServer:
    """base: its address, without a path. seconds: how long it took to be ready."""

    base: str
    pid: int
    seconds: float


@contextmanager
def running_server(waiting: Callable[[float], None] = lambda _: None, **settings: str) -> Iterator[LocalServer]:
    """`endpoint serve` with the settings of the environment and these. It is stopped at the end of the block.

    waiting: called now and then with the seconds that have passed. Raises ConfigError with the server's last lines.
    """
    port = free_port()
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with _stopped_by_exit(), tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={"CPU_KV_CACHE_GIB": "1", **environment(), **settings}
        )
        try:
            base = f"http://127.0.0.1:{port}"
            yield LocalServer(base, server.pid, _wait(server, base, output, waiting))
        finally:
            stop(server)


@contextmanager
def _stopped_by_exit() -> Iterator[None]:
    """Within the block SIGTERM raises SystemExit, so that the server is stopped; else it would be left running."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Terminate it and wait; after STOP_SECONDS it is killed."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait(server: subprocess.Popen[bytes], base: str, output: IO[str], waiting: Callable[[float], None]) -> float:
    import httpx2

    began = time.monotonic()
    while (waited := time.monotonic() - began) < START_SECONDS and server.poll() is None:
        try:
            if httpx2.get(f"{base}/health", timeout=5).status_code == 200:
                return waited
        except httpx2.TransportError:
            pass
        waiting(waited)
        time.sleep(0.3)
    output.seek(0)
    last = "".join(output.readlines()[-LAST_LINES:]) or f"no response within {START_SECONDS:.0f} s\n"
    raise ConfigError(f"{last}The server did not start; its last lines are above.")
