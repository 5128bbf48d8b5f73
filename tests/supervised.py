"""Servers of several processes that a test owns: all their processes are known, and must be gone in the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from endpoint.config import Settings, load_settings
from endpoint.engine.placement import cpu_threads
from endpoint.net import free_port
from tests.servers import Server

CLEAN = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
GONE_SECONDS = 20


@dataclass(frozen=True)
class Several(Server):
    """A server with its processes, by their roles."""

    def processes(self) -> list[psutil.Process]:
        """All but the first."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def named(self, word: str) -> list[psutil.Process]:
        """Children of the supervisor by a word of their command line."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if word in " ".join(child.cmdline())]

    @property
    def front(self) -> list[psutil.Process]:
        return self.named("spawn_main")

    @property
    def engines(self) -> list[psutil.Process]:
        return self.named("EngineCore")

    def ends(self, everybody: list[psutil.Process], seconds: float = 180) -> int:
        """Wait for its end and return its status. None of `everybody` is left then."""
        status = self.process.wait(seconds)
        _, left = psutil.wait_procs(everybody, GONE_SECONDS)
        assert left == [], self.log_end()
        return status


@contextmanager
def supervised(output: Path, *command: str, **settings: object) -> Iterator[Several]:
    """Started, not yet ready; killed at the end if it is still there. command: of Python, `endpoint serve` if none."""
    port = int(str(settings.pop("PORT", 0))) or free_port()
    environment: Mapping[str, str] = {name.upper(): str(value) for name, value in settings.items()}
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *(command or ("-m", "endpoint", "serve"))],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=CLEAN | {"HOST": "127.0.0.1", "PORT": str(port)} | environment,
        )
    server = Several(process, f"http://127.0.0.1:{port}", output)
    try:
        yield server
    finally:
        if process.poll() is None:
            left = server.processes()
            process.kill()
            process.wait()
            psutil.wait_procs(left, GONE_SECONDS)


def serve_on_two_engines() -> int:
    """`endpoint serve` with two engines on the CPU, for which there is no setting."""
    from endpoint.commands.serve import serve_with
    from endpoint.observe.log import configure_logging

    configure_logging("info")
    return serve_with(load_settings(), [cpu_threads()] * 2)


if __name__ == "__main__":
    sys.exit(serve_on_two_engines())
