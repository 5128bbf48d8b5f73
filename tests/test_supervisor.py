"""Several processes as one server, on the fake engine: which of them serve, and how all of them end."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.supervisor import engines_of, share
from tests.recordings import tone, wav
from tests.supervised import Several, supervised

FAKE = {"ENGINE": "fake", "VAD_FILTER": "false", "DECODE_WORKERS": "2", "API_PROCESSES": "2"}
TWO_SECONDS = wav(tone(16_000, 2)[:, None], 16_000)
FAILS = """
import sys
from endpoint.config import load_settings
from endpoint.commands.serve import _bind
from endpoint.supervisor import supervise
from endpoint.observe.log import configure_logging
from tests.test_supervisor import refuse
configure_logging("info")
settings = load_settings()
sys.exit(supervise(settings, [{}], _bind(settings, 2), refuse))
"""


def refuse(*_: object) -> int:
    raise ConfigError("cannot be served")


def lines(server: Several, event: str) -> list[dict[str, object]]:
    logged = [json.loads(line) for line in server.output.read_text().splitlines() if line.startswith("{")]
    return [line for line in logged if line.get("event") == event]


def ask(server: Several) -> httpx.Response:
    return httpx.post(f"{server.base}/v1/audio/transcriptions", files={"file": ("a.wav", TWO_SECONDS)}, timeout=30)


def refuses_soon(server: Several) -> bool:
    """Whether new connections are no longer taken."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            ask(server)
        except httpx.TransportError:
            return True
    return False


def test_decoding_processes_are_shared_out() -> None:
    settings = Settings(decode_workers=5, max_concurrent_requests=7)
    assert [share(settings, 3, number).decode_workers for number in range(3)] == [2, 2, 1]
    assert [share(settings, 8, number).decode_workers for number in range(8)] == [1] * 8
    assert share(settings, 3, 0).max_concurrent_requests == 7  # counted together


def test_without_gpus_to_choose_from_nothing_is_looked_up() -> None:
    assert engines_of(Settings(engine="fake", gpus="all", api_processes=3)) == [{}]
    assert engines_of(Settings(api_processes=1)) == [{}]


def test_gpus_that_are_not_there_are_refused() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there are GPUs here")
    with pytest.raises(ConfigError, match="no GPU is seen here"):
        engines_of(Settings(gpus="all"))


def test_both_processes_serve_and_finish_their_requests_at_the_end(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", **FAKE) as server:
        server.wait()
        for _ in range(32):  # a connection each, which the kernel gives to one or the other
            assert ask(server).status_code == 200
        served = Counter(line["process"] for line in lines(server, "request"))
        assert set(served) == {"api-0", "api-1"}
        assert len(server.front) == 2
        everybody = server.processes()
        assert len([process for process in everybody if "endpoint.audio.worker" in process.cmdline()]) == 2

        host, port = server.base.removeprefix("http://").split(":")
        request = httpx.Request(
            "POST", f"{server.base}/v1/audio/transcriptions", files={"file": ("a.wav", TWO_SECONDS)}
        )
        body = request.read()
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(f"POST /v1/audio/transcriptions HTTP/1.1\r\n{head}\r\n".encode() + body[:1000])
            time.sleep(1)
            server.process.send_signal(signal.SIGTERM)
            assert refuses_soon(server)
            client.sendall(body[1000:])
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert server.ends(everybody) == 0


def test_ctrl_c_of_the_terminal_ends_it_in_order(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", **FAKE) as server:
        server.wait()
        everybody = server.processes()
        server.process.send_signal(signal.SIGINT)
        assert server.ends(everybody) == 0


def test_it_ends_when_a_process_dies_and_says_which(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", **FAKE) as server:
        server.wait()
        everybody, victim = server.processes(), server.front[0]
        victim.kill()
        assert server.ends(everybody) == 128 + signal.SIGKILL
        (line,) = lines(server, "a process ended, so the server ends")
        assert (line["pid"], line["status"]) == (victim.pid, -signal.SIGKILL)
        assert re.fullmatch(r"api-[01]", str(line["ended"]))


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", **FAKE) as server:
        server.wait()
        everybody = server.processes()
        server.process.kill()
        assert server.ends(everybody) == -signal.SIGKILL


def test_a_failed_start_is_one_error_and_status_1(tmp_path: Path) -> None:
    with supervised(tmp_path / "log", "-c", FAILS, **FAKE) as server:
        assert server.process.wait(60) == 1
        (line,) = lines(server, "a process ended, so the server ends")
        assert line["why"] == "cannot be served"
        assert "Traceback" not in server.output.read_text()


def test_a_port_that_is_taken_is_not_shared(tmp_path: Path) -> None:
    with supervised(tmp_path / "one", **FAKE) as first:
        first.wait()
        with supervised(tmp_path / "two", **FAKE | {"PORT": first.base.rpartition(":")[2]}) as second:
            assert second.process.wait(60) != 0
            assert "Address already in use" in second.output.read_text()


def test_requests_are_counted_together(tmp_path: Path) -> None:
    """Four requests that are being received reach a limit of four, whichever processes receive them."""
    with supervised(tmp_path / "log", **FAKE | {"MAX_CONCURRENT_REQUESTS": "4"}) as server:
        server.wait()
        host, port = server.base.removeprefix("http://").split(":")
        head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\ncontent-type: "
        clients = [socket.create_connection((host, int(port))) for _ in range(4)]
        try:
            for client in clients:
                client.sendall(head + b"multipart/form-data; boundary=a\r\n\r\n-")
            end = time.monotonic() + 120
            while ask(server).status_code != 503 and time.monotonic() < end:
                time.sleep(0.1)
            assert [ask(server).status_code for _ in range(6)] == [503] * 6
        finally:
            for client in clients:
                client.close()
        end = time.monotonic() + 120
        while (status := ask(server).status_code) == 503 and time.monotonic() < end:
            time.sleep(0.1)
        assert status == 200
