"""What several test modules share: one live server on the real engine, started once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from endpoint.net import free_port

START_SECONDS = 300


@pytest.fixture(scope="session")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `endpoint serve` on the bundled model; stopped at the end of the run."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    output = tmp_path_factory.mktemp("server") / "output.txt"
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "MODEL_ID": "", "CPU_KV_CACHE_GIB": "1"}
    with output.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait(server, base, output)
            yield base
        finally:
            server.terminate()
            assert server.wait(60) == 0, output.read_text()[-3000:]


def _wait(server: subprocess.Popen[bytes], base: str, output: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, output.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(f"the server was not ready in {START_SECONDS} s: {output.read_text()[-3000:]}")
