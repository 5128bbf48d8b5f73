"""Live servers on the real engine, each owned by the test that starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from endpoint.net import free_port

START_SECONDS = 300  # for each model


@contextmanager
def running_server(output: Path, **settings: str) -> Iterator[str]:
    """The base URL of `endpoint serve` with these settings; it must end with 0. output: the file for what it says."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "CPU_KV_CACHE_GIB": "1", **settings}
    with output.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait(server, base, output, START_SECONDS * (settings.get("MODELS", "").count(",") + 1))
            yield base
        finally:
            server.terminate()
            assert server.wait(60) == 0, output.read_text()[-3000:]


def _wait(server: subprocess.Popen[bytes], base: str, output: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert server.poll() is None, output.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(f"the server was not ready in {seconds} s: {output.read_text()[-3000:]}")
