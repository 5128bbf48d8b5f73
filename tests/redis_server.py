"""A Redis or Valkey server of the tests' own: `redis_url`, and a process that a test may stop, kill and start again."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from endpoint.net import free_port
from endpoint.stores import redis
from tests.debian import find_program

START_SECONDS = 30
PATIENCE_SECONDS = 60.0
PROGRAMS = ("redis-server", "valkey-server")


class RedisProcess:
    """A server on a port of its own that keeps its data in `folder`, over restarts. fsync: when it is on the disk."""

    def __init__(self, program: str, folder: Path, fsync: Literal["always", "everysec"] = "always") -> None:
        self.program = program
        self.fsync = fsync
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it can be used."""
        assert self.process is None
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--appendfsync", self.fsync, "--save", "", "--daemonize", "no"]
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"{self.program} did not start: {self._output.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """As an operator stops it."""
        self._end(kill=False)

    def kill(self) -> None:
        """SIGKILL: it has no time to write anything."""
        self._end(kill=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def _output(self) -> Path:
        return self.folder / "output.txt"

    def _end(self, *, kill: bool) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


@pytest.fixture(scope="session")
def redis_program() -> str:
    return find_program(PROGRAMS, "redis-server")


@pytest.fixture
def patient_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis may take as long as a busy machine makes it: for tests of other things."""
    for name in ("MOST_SECONDS", "SOCKET_SECONDS", "CONNECT_SECONDS"):
        monkeypatch.setattr(redis, name, PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def redis_url(redis_program: str) -> Iterator[str]:
    """The address of a server that all tests share, under prefixes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisProcess(redis_program, Path(folder), "everysec")
        server.start()
        try:
            yield server.url
        finally:
            server.stop()
