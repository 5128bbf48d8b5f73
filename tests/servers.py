"""Live servers that a test owns, as users start them: `endpoint serve` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from endpoint.net import free_port

START_SECONDS = 300  # for each model


@dataclass(frozen=True)
class Server:
    """output: the file with its standard output and errors."""

    process: subprocess.Popen[bytes]
    base: str
    output: Path
    models: int = 1

    def wait(self, path: str = "/health", status: int = 200) -> None:
        """Wait until a GET of `path` responds with `status`."""
        seconds = START_SECONDS * self.models
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log_end()
            if self._status(path) == status:
                return
            time.sleep(0.1)
        raise AssertionError(f"no {status} from {path} in {seconds} s: {self.log_end()}")

    def log_end(self) -> str:
        return self.output.read_text()[-3000:]

    def _status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.base + path, timeout=5) as response:
                return response.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0


@contextmanager
def started(output: Path, **settings: object) -> Iterator[Server]:
    """A server on a port of its own that may still be loading; it has ended without an error when the block is left."""
    port = free_port()
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"CPU_KV_CACHE_GIB": "1"} | {name.upper(): str(value) for name, value in settings.items()}
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        models = str(settings.get("MODELS", "")).count(",") + 1
        server = Server(process, f"http://127.0.0.1:{port}", output, models)
        try:
            yield server
        finally:
            process.terminate()
            assert process.wait(60) == 0, server.log_end()


@contextmanager
def running_server(output: Path, **settings: object) -> Iterator[str]:
    """The base URL of a server that is ready."""
    with started(output, **settings) as server:
        server.wait()
        yield server.base
