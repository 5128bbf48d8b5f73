"""Limits on the head of a request, on a live server's socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from endpoint.api import protocol
from endpoint.api.protocol import MAX_HEAD_BYTES, MAX_HEADERS, LimitedProtocol
from tests.api_support import StandIn, app_of, wait_for

SECONDS = 60.0  # for a response


@contextmanager
def listening() -> Iterator[int]:
    """The port of a server with the protocol."""
    server = uvicorn.Server(uvicorn.Config(app_of(StandIn()), log_config=None, http=LimitedProtocol))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(120)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening() as found:
        yield found


def sent(port: int, *pieces: bytes) -> tuple[int, dict[str, dict[str, str]]]:
    """Status and body of the response, which must come although the request does not end; then the connection ends."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        got = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while piece := connection.recv(65_536):
                got += piece
        except (ConnectionResetError, BrokenPipeError):  # it was closed while more was sent
            pass
    head, _, body = got.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, json.loads(body or "{}")


START = b"GET /health HTTP/1.1\r\nhost: test\r\n"


def test_what_is_within_the_limits_is_served(port: int) -> None:
    headers = b"".join(b"x-%d: %b\r\n" % (number, b"a" * 500) for number in range(MAX_HEADERS - 5))
    status, body = sent(port, START + headers + b"connection: close\r\n\r\n")
    assert (status, body) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(START + b"a: b\r\n" * (MAX_HEADERS + 1), id="many headers"),
        pytest.param(START + b"a: " + b"b" * (2 * MAX_HEAD_BYTES), id="a header that does not end"),
        pytest.param(START + b"b" * (2 * MAX_HEAD_BYTES), id="a name that does not end"),
        pytest.param(b"GET /" + b"a" * (2 * MAX_HEAD_BYTES), id="a path that does not end"),
        pytest.param(
            b"POST /asr HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n1;"
            + b"e" * (4 * MAX_HEAD_BYTES),
            id="a chunk's extension that does not end",
        ),
    ],
)
def test_more_is_refused_before_it_ends(port: int, head: bytes) -> None:
    status, body = sent(port, *(head[start : start + 4096] for start in range(0, len(head), 4096)))
    if status:  # else the connection was reset before the response was read
        assert status in (400, 431)
        assert set(body["error"]) == {"message", "type", "param", "code"}


class Written(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.data, self.closed, self.protocol = b"", False, None

    def write(self, data: bytes) -> None:
        self.data += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_protocol(self) -> object:
        return self.protocol

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.mark.parametrize("head", [START + b"b" * (2 * MAX_HEAD_BYTES), b"GET /" + b"a" * (2 * MAX_HEAD_BYTES)])
async def test_what_does_not_end_is_refused_though_it_comes_in_one_read(head: bytes) -> None:
    config = uvicorn.Config(app_of(StandIn()), log_config=None, http=LimitedProtocol)
    config.load()
    made = LimitedProtocol(config=config, server_state=ServerState(), app_state={})
    transport = Written()
    transport.protocol = made
    made.connection_made(transport)
    made.data_received(head)
    assert transport.closed
    assert transport.data.startswith(b"HTTP/1.1 431 ")
    made.connection_lost(None)


def test_the_refusal_says_what_the_limit_is(port: int) -> None:
    status, body = sent(port, START + b"a: b\r\n" * (MAX_HEADERS + 1))
    assert status == 431
    assert str(MAX_HEAD_BYTES) in body["error"]["message"]


def test_what_is_no_request_gets_an_error_body(port: int) -> None:
    status, body = sent(port, b"\x16\x03\x01 what is this\r\n\r\n")
    assert status == 400
    assert body["error"]["code"] == "invalid_request"


def test_bodies_are_no_heads(port: int) -> None:
    body = b"a" * (8 * MAX_HEAD_BYTES)
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: test\r\nconnection: close\r\n"
    length = b"content-length: %d\r\n\r\n" % len(body)
    assert sent(port, head + length, body)[0] == 400  # no form
    chunks = b"".join(b"%x\r\n%b\r\n" % (4096, b"a" * 4096) for _ in range(64)) + b"0\r\n\r\n"
    assert sent(port, head + b"transfer-encoding: chunked\r\n\r\n", chunks)[0] == 400


@pytest.mark.parametrize("begin", [b"", b"GET", START, START + b"x-late: "])
def test_a_head_that_does_not_come_is_given_up(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with listening() as port:
        assert sent(port, begin)[0] == 0


def test_a_connection_can_be_used_again(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        for _ in range(3):
            connection.sendall(START + b"\r\n")
            got = b""
            while b'{"status":"ok"}' not in got:
                got += connection.recv(65_536)


def test_a_refused_body_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.2)
    begin = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n"
    with listening() as port, socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(begin)
        piece = b"1000\r\n" + b"a" * 4096 + b"\r\n"
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(connection, piece)


def send_for_ever(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)
