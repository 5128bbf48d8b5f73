"""OpenAI's Realtime protocol: events in OpenAI's order, each valid for the openai package."""

from __future__ import annotations

import base64
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.errors import EngineFailed, InvalidRequest, ModelNotFound, Overloaded
from endpoint.live.protocol import Work
from endpoint.live.realtime import Realtime, Surroundings
from endpoint.options import VadOptions
from endpoint.types import SAMPLE_RATE, Word
from tests.api_support import TRANSCRIPT
from tests.live_support import append, at_24_khz, checked, kinds, session, sound


def find_model(name: str) -> str:
    if name not in ("", "whisper-1", "served"):
        raise ModelNotFound(f"no {name}", param="model")
    return "served"


def made(model: str = "") -> Realtime:
    numbers = itertools.count()
    around = Surroundings(find_model, lambda prefix: f"{prefix}_{next(numbers)}", 1_800_000_000, VadOptions())
    return Realtime(session(), around, model)


def send(protocol: Realtime, kind: str, **fields) -> list:
    return protocol.receive(json.dumps({"type": kind, **fields}))


def updating(**fields) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": fields}}})


def update(protocol: Realtime, **fields) -> list:
    return protocol.receive(updating(**fields))


def events(outputs) -> list:
    return [checked(output) for output in outputs if not isinstance(output, Work)]


def work(outputs) -> list[Work]:
    return [output for output in outputs if isinstance(output, Work)]


def refused(outputs) -> dict:
    (event,) = events(outputs)
    assert event["type"] == "error"
    return event["error"]


def spoken(protocol: Realtime, *parts: float) -> list:
    return protocol.receive(append(at_24_khz(sound(*parts))))


def test_the_first_event_is_the_session():
    event = checked(made("whisper-1").opening())
    assert event["type"] == "session.created"
    shown = event["session"]
    assert (shown["type"], shown["object"]) == ("transcription", "realtime.transcription_session")
    assert shown["expires_at"] == 1_800_000_000
    assert shown["audio"]["input"]["transcription"]["model"] == "whisper-1"
    assert shown["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500


def test_a_session_may_be_given_beforehand():
    """By a client secret."""
    numbers = itertools.count()
    around = Surroundings(find_model, lambda prefix: f"{prefix}_{next(numbers)}", 0, VadOptions())
    protocol = Realtime(session(), around, "", {"type": "transcription", "audio": {"input": {"turn_detection": None}}})
    assert checked(protocol.opening())["session"]["audio"]["input"]["turn_detection"] is None
    assert protocol.session.commit() == []
    with pytest.raises(InvalidRequest):
        Realtime(session(), around, "", {"type": "realtime"})


def test_an_unknown_model_is_no_session():
    with pytest.raises(ModelNotFound):
        made("gpt-9")


def test_a_turn_is_detected_and_committed():
    protocol = made()
    outputs = spoken(protocol, 1, 1, 1)
    found = events(outputs)
    assert kinds(found) == ["speech_started", "speech_stopped", "committed", "item.added", "item.done"]
    started, stopped, committed, added, _ = found
    assert started["item_id"] == stopped["item_id"] == committed["item_id"] == added["item"]["id"]
    assert abs(started["audio_start_ms"] - 700) <= 50
    assert abs(stopped["audio_end_ms"] - 2_200) <= 50
    assert committed["previous_item_id"] is None
    ahead, final = work(outputs)
    assert (ahead.final, final.final) == (False, True)
    assert ahead.turn.end == final.turn.end
    assert len(final.turn.samples) == final.turn.end - final.turn.start
    second = events(spoken(protocol, 0, 1, 1))
    assert second[2]["previous_item_id"] == committed["item_id"]


def test_text_while_one_speaks_and_at_the_end():
    protocol = made()
    first = events(spoken(protocol, 0, 2))[0]["item_id"]
    words = [Word(" Hello", 100, 500), Word(" wörld.", 500, 900)]
    (delta,) = map(checked, protocol.interim(protocol.session.open, words[:1], words[1:], 500))
    assert (delta["delta"], delta["item_id"], delta["stable_until"]) == ("Hello", first, 500)
    assert "unstable" not in delta
    final = work(spoken(protocol, 1))[-1]
    segments = [checked(event) for event in protocol.settled(final.turn, TRANSCRIPT.segments)]
    assert [event["text"] for event in segments] == [segment.text for segment in TRANSCRIPT.segments]
    rest, done = map(checked, protocol.completed(final.turn, TRANSCRIPT, words[:1]))
    assert delta["delta"] + rest["delta"] == done["transcript"] == TRANSCRIPT.text
    assert done["usage"] == {"type": "duration", "seconds": len(final.turn.samples) / SAMPLE_RATE}
    assert done["languages"] == [{"code": "en"}]
    assert done["item_id"] == first
    assert "words" not in done
    assert "logprobs" not in done


def test_more_is_given_where_it_is_included():
    protocol = made()
    include = [f"item.input_audio_transcription.{name}" for name in ("logprobs", "words", "unstable")]
    send(protocol, "session.update", session={"type": "transcription", "include": include})
    spoken(protocol, 0, 2)
    words = [Word(" a", 100, 500, 0.5), Word(" b", 500, 900, 0.25)]
    (delta,) = map(checked, protocol.interim(protocol.session.open, words[:1], words[1:], 500))
    assert delta["unstable"] == " b"
    assert delta["words"] == [{"word": "a", "start": 0.1, "end": 0.5, "probability": 0.5}]
    final = work(spoken(protocol, 1))[-1]
    assert final.settings.options.logprobs
    assert final.settings.options.words
    done = checked(protocol.completed(final.turn, TRANSCRIPT, words)[-1])
    assert done["logprobs"] == []
    assert done["words"] == []


def test_a_commit_ends_the_turn():
    protocol = made()
    assert kinds(events(update(protocol, turn_detection=None))) == ["session.updated"]
    assert spoken(protocol, 0, 1) == []
    outputs = send(protocol, "input_audio_buffer.commit")
    assert kinds(events(outputs)) == ["committed", "item.added", "item.done"]
    (final,) = work(outputs)
    assert abs(len(final.turn.samples) - SAMPLE_RATE) <= 2
    again = refused(send(protocol, "input_audio_buffer.commit", event_id="mine"))
    assert (again["code"], again["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


def test_clear():
    protocol = made()
    update(protocol, turn_detection=None)
    spoken(protocol, 0, 1)
    assert kinds(events(send(protocol, "input_audio_buffer.clear"))) == ["cleared"]
    assert refused(send(protocol, "input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"


def test_telephone_sound_and_a_change_of_format():
    protocol = made()
    spoken(protocol, 0.5)
    update(protocol, format={"type": "audio/pcmu"}, turn_detection=None)
    send(protocol, "input_audio_buffer.append", audio=base64.b64encode(b"\x80" * 8_000).decode())
    (final,) = work(send(protocol, "input_audio_buffer.commit"))
    assert abs(len(final.turn.samples) - 1.5 * SAMPLE_RATE) <= 4


def test_transcription_can_be_switched_off():
    protocol = made()
    update(protocol, transcription=None)
    outputs = spoken(protocol, 1, 1, 1)
    assert "committed" in kinds(events(outputs))
    assert work(outputs) == []
    assert protocol.settings is None


def test_the_model_can_be_changed():
    protocol = made()
    assert refused(update(protocol, transcription={"model": "gpt-9"}))["code"] == "model_not_found"
    update(protocol, transcription={"model": "whisper-1", "delay": "high"})
    assert protocol.settings.model == "served"
    assert protocol.settings.stability.age_ms is None


def test_noise_reduction_is_accepted_and_its_lack_of_effect_reported():
    (event,) = events(update(made(), noise_reduction={"type": "near_field"}))
    assert event["session"]["audio"]["input"]["noise_reduction"]["type"] == "near_field"
    assert event["warnings"][0]["param"] == "session.audio.input.noise_reduction"


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ("[]", "invalid_value", "type"),
        ("{}", "invalid_value", "type"),
        (b"\0\0", "invalid_value", None),
        ('{"type": "tea.make"}', "invalid_value", "type"),
        ('{"type": "response.create"}', "unsupported", "type"),
        ('{"type": "transcription_session.update"}', "beta_api_shape_disabled", "type"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": 5}', "invalid_value", "audio"),
        ('{"type": "session.update"}', "invalid_value", "session"),
        ('{"type": "session.update", "session": {"type": "realtime"}}', "invalid_value", "session.type"),
    ],
)
def test_faults_of_the_client_are_error_events(message, code, param):
    error = refused(made().receive(message))
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


def test_a_turn_that_fails():
    protocol = made()
    final = work(spoken(protocol, 0, 1, 1))[-1]
    (event,) = map(checked, protocol.failed(final.turn, EngineFailed("gone")))
    assert kinds([event]) == ["item.failed"]
    assert event["error"]["type"] == "server_error"
    (problem,) = map(checked, protocol.problem(Overloaded("full")))
    assert problem["error"]["code"] == "overloaded"


def test_the_end_finishes_the_open_turn():
    protocol = made()
    spoken(protocol, 0, 1)
    outputs = protocol.finish()
    assert kinds(events(outputs)) == ["speech_stopped", "committed", "item.added", "item.done"]
    assert work(outputs)[-1].final


MESSAGES = st.one_of(
    st.builds(lambda seconds, loud: append(at_24_khz(sound(*([0] * loud), seconds))), st.floats(0, 0.7), st.booleans()),
    st.sampled_from(["input_audio_buffer.commit", "input_audio_buffer.clear"]).map(lambda kind: f'{{"type":"{kind}"}}'),
    st.sampled_from(
        [None, {"type": "server_vad", "silence_duration_ms": 0}, {"type": "semantic_vad"}, {"type": "nonsense"}]
    ).map(lambda detection: updating(turn_detection=detection)),
    st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma"]).map(lambda kind: updating(format={"type": kind})),
    st.text(max_size=20),
)  # fmt: skip


@given(messages=st.lists(MESSAGES, max_size=25))
@settings(max_examples=1_000)
def test_any_order_of_messages_gives_valid_events(messages):
    """And every item is committed once, and completed."""
    protocol = made()
    seen, ids = [checked(protocol.opening())], []
    for message in [*messages, None]:
        outputs = protocol.finish() if message is None else protocol.receive(message)
        seen += events(outputs)
        for one in work(outputs):
            if one.final:
                seen += map(checked, protocol.completed(one.turn, TRANSCRIPT, ()))
    ids = [event["item_id"] for event in seen if event["type"] == "input_audio_buffer.committed"]
    done = [event["item_id"] for event in seen if event["type"].endswith("transcription.completed")]
    assert ids == done
    assert len(set(ids)) == len(ids)
    assert len({event["event_id"] for event in seen}) == len(seen)
    assert protocol._items == {}
