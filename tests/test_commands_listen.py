"""`endpoint listen`: a file or a microphone to text, by a server."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from endpoint.commands import listen
from endpoint.errors import ConfigError, EndpointError, InvalidRequest
from endpoint.live.client import LiveEvent
from tests.servers import running_server
from tests.test_live_session import TALK


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("live") / "log", engine="fake", jobs_url="off") as address:
        yield f"{address}/v1"


def test_text_of_a_file(base, capsys):
    assert listen.run([str(TALK), "--url", base, "--fast", "--language", "en", "--delay", "low"]) == 0
    assert capsys.readouterr().out.strip()


def test_events_as_json(base, capsys):
    assert listen.run([str(TALK), "--url", base, "--fast", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["type"] == "session.created"


def test_an_unknown_model(base):
    with pytest.raises(EndpointError, match="gpt-9"):
        listen.run([str(TALK), "--url", base, "--fast", "--model", "gpt-9"])


def test_no_such_file():
    with pytest.raises(InvalidRequest):
        listen.run(["nothing.wav"])


def test_a_line_for_each_turn(capsys):
    kind = "conversation.item.input_audio_transcription"
    for body in ({"type": f"{kind}.delta", "delta": "a"}, {"type": f"{kind}.completed"}, {"type": "session.created"}):
        listen.show(LiveEvent(0.0, body))
    assert capsys.readouterr().out == "a\n"


class Stream:
    """sounddevice's, with a frame at once."""

    def __init__(self, rate, size, *, channels, dtype, callback) -> None:
        callback(np.ones(size, np.int16).data, size, None, None)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


async def test_a_microphone(monkeypatch):
    fake = SimpleNamespace(RawInputStream=Stream, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    frames = listen.microphone()
    assert len(await anext(frames)) == 4_800
    await frames.aclose()


async def test_no_microphone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigError, match="sounddevice"):
        await anext(listen.microphone())
