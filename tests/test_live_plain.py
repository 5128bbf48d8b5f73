"""The plain protocol: raw sound in, partial and final texts out."""

from __future__ import annotations

import json

import pytest

from endpoint.errors import EngineFailed
from endpoint.live.agreement import Stability
from endpoint.live.plain import Plain
from endpoint.live.protocol import TurnSettings, Work
from endpoint.options import Options
from endpoint.types import Word
from tests.api_support import TRANSCRIPT
from tests.live_support import session, sound


def made(**options) -> Plain:
    return Plain(session(), TurnSettings("served", Options(**options), Stability(2)))


def test_turns_are_detected():
    protocol = made()
    outputs = protocol.receive(sound(1, 1, 1).tobytes())
    assert [type(output) for output in outputs] == [Work, Work]
    assert [output.final for output in outputs] == [False, True]


def test_partial_and_final():
    protocol = made()
    protocol.receive(sound(0, 2).tobytes())
    words = [Word(" Hello", 100, 500), Word(" wörld.", 500, 900)]
    (first,) = protocol.interim(protocol.session.open, [], words, 0)
    assert (first["type"], first["text"], first["unstable"]) == ("partial", "", " Hello wörld.")
    (second,) = protocol.interim(protocol.session.open, words[:1], words[1:], 500)
    assert (second["text"], second["unstable"], second["stable_until"]) == ("Hello", " wörld.", 0.5)
    (third,) = protocol.interim(protocol.session.open, words[1:], [], 900)
    assert third["text"] == "Hello wörld."
    turn = protocol.receive(sound(1).tobytes())[-1].turn
    (final,) = protocol.completed(turn, TRANSCRIPT, words)
    assert (final["type"], final["text"], final["turn"]) == ("final", TRANSCRIPT.text, 0)
    assert final["segments"][0]["text"] == "Hello wörld."
    assert "words" not in final
    assert "words" in made(words=True).completed(turn, TRANSCRIPT, words)[0]


def test_nothing_is_sent_without_text():
    protocol = made()
    protocol.receive(sound(0, 2).tobytes())
    assert protocol.interim(protocol.session.open, [], [], 0) == []


@pytest.mark.parametrize("message", [b"", "", '{"type": "end"}'])
def test_the_end(message):
    protocol = made()
    protocol.receive(sound(0, 1).tobytes())
    assert protocol.receive(message) == []
    assert protocol.done
    assert protocol.finish()[-1].final


@pytest.mark.parametrize("message", ["hello", "{}", '{"type": "start"}', "[]", "null"])
def test_other_text_is_an_error(message):
    protocol = made()
    (error,) = protocol.receive(message)
    assert error["type"] == "error"
    assert error["error"]["code"] == "invalid_value"
    assert not protocol.done


def test_a_turn_that_fails():
    protocol = made()
    turn = protocol.receive(sound(0, 1, 1).tobytes())[-1].turn
    (error,) = protocol.failed(turn, EngineFailed("gone"))
    assert (error["type"], error["turn"]) == ("error", 0)
    assert json.dumps(error)
