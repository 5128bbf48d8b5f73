"""A server that runs for as long as a block lasts."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from endpoint.errors import ConfigError
from endpoint.local import running_server


def test_it_serves_until_the_block_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE", "fake")
    monkeypatch.setenv("DECODE_WORKERS", "1")
    waited = list[float]()
    with running_server(waited.append) as server:
        assert httpx2.get(f"{server.base}/health").status_code == 200
        port = urlsplit(server.base).port
        assert port is not None
    assert waited == sorted(waited)
    assert waited[-1] <= server.seconds
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_why_it_did_not_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT_IS", "no matter")
    monkeypatch.setenv("MAX_CHANNELS", "none")
    with pytest.raises(ConfigError, match=r"(?s)MAX_CHANNELS.*did not start"), running_server():
        pass


def test_it_ends_with_a_process_that_is_terminated() -> None:
    code = (
        "import time\nfrom endpoint.local import running_server\n"
        "with running_server(ENGINE='fake', DECODE_WORKERS='1') as server:\n"
        "    print(server.pid, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = int(process.stdout.readline())
        assert psutil.pid_exists(server)
        process.terminate()
        assert process.wait(120) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(server)
