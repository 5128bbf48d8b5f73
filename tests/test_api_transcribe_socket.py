"""The plain socket on a live server."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from endpoint.bench.containers import encode
from endpoint.types import SAMPLE_RATE
from tests.servers import running_server
from tests.test_live_session import TALK, load

SECONDS = 300


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("live") / "log", engine="fake", jobs_url="off") as address:
        yield address


@pytest.fixture(scope="module")
def talk():
    return load(TALK)[: 12 * SAMPLE_RATE]


def socket(base: str, query: str = ""):
    return connect(base.replace("http", "ws", 1) + "/ws/transcribe" + query)


def received(connection) -> tuple[list[dict], int]:
    """All messages, and the code of the end."""
    messages = []
    with pytest.raises(ConnectionClosed) as raised:  # noqa: PT012
        while True:
            messages.append(json.loads(connection.recv(SECONDS)))
    return messages, raised.value.rcvd.code


def finals(messages) -> list[dict]:
    return [message for message in messages if message["type"] == "final"]


@pytest.mark.parametrize("step", [5.0, 0.1])
def test_raw_sound(base, talk, step):
    data, size = talk.tobytes(), round(step * SAMPLE_RATE) * 2
    with socket(base, "?language=en&words=true") as connection:
        for at in range(0, len(data), size):
            connection.send(data[at : at + size])
        connection.send('{"type": "end"}')
        messages, code = received(connection)
    assert code == 1000
    (final,) = finals(messages)
    assert final["text"]
    assert [word["word"] for word in final["words"]] == final["text"].split()
    assert final["words"][0]["start"] >= final["start"]
    partial = [message["text"] for message in messages if message["type"] == "partial"]
    assert all(b.startswith(a) for a, b in zip(partial, partial[1:], strict=False))  # noqa: RUF007


@pytest.mark.parametrize("name", ["wav", "opus", "flac"])
def test_any_container(base, talk, name):
    data = encode(talk, name)
    with socket(base) as connection:
        for at in range(0, len(data), 20_000):
            connection.send(data[at : at + 20_000])
        connection.send(b"")
        messages, code = received(connection)
    assert code == 1000
    assert abs(sum(final["end"] - final["start"] for final in finals(messages)) - 12) < 1


def test_a_broken_container(base):
    with socket(base) as connection:
        connection.send(b"fLaC" + bytes(100_000))
        connection.send('{"type": "end"}')
        messages, code = received(connection)
    assert messages[-1]["error"]["code"] == "invalid_audio"
    assert code == 1003


def test_other_text_is_an_error(base):
    with socket(base) as connection:
        connection.send("hello")
        assert json.loads(connection.recv(SECONDS))["type"] == "error"
        connection.send(b"")
        assert received(connection) == ([], 1000)


@pytest.mark.parametrize(("query", "status", "param"), [
    ("?language=xx", 400, "language"),
    ("?task=sing", 400, "task"),
    ("?speed=2", 400, "speed"),
    ("?model=gpt-9", 404, "model"),
])  # fmt: skip
def test_what_cannot_be_opened_says_why(base, query, status, param):
    with pytest.raises(InvalidStatus) as raised, socket(base, query):
        pass
    assert raised.value.response.status_code == status
    assert json.loads(raised.value.response.body)["error"]["param"] == param
