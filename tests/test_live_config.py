"""The session object: merged, checked, shown."""

from __future__ import annotations

import pytest

from endpoint.errors import InvalidRequest
from endpoint.live.config import EAGERNESS, LOGPROBS, WORDS, LiveConfig
from endpoint.live.convert import Encoding
from endpoint.live.session import TurnDetection
from endpoint.options import VadOptions


def updated(config: LiveConfig | None = None, **given) -> LiveConfig:
    """With fields of audio.input."""
    return (config or LiveConfig()).updated({"type": "transcription", "audio": {"input": given}})


def test_defaults_are_openais():
    config = LiveConfig()
    assert config.detection == TurnDetection(0.5, 300, 500)
    assert config.encoding is Encoding.PCM
    assert config.as_json()["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}


def test_only_the_fields_that_are_given_change():
    config = updated(transcription={"model": "whisper-1", "prompt": "names"}, format={"type": "audio/pcmu"})
    config = updated(config, transcription={"language": "de"})
    asked = config.audio.input.transcription
    assert (asked.model, asked.prompt, asked.language) == ("whisper-1", "names", "de")
    assert config.encoding is Encoding.PCMU
    config = updated(config, turn_detection={"type": "server_vad", "threshold": 0.7, "silence_duration_ms": None})
    assert config.detection == TurnDetection(0.7, 300, 500)


def test_null_switches_off():
    config = updated(turn_detection=None)
    assert config.detection is None
    assert config.as_json()["audio"]["input"]["turn_detection"] is None
    assert updated(config, format={"type": "audio/pcma"}).detection is None  # and stays so
    assert updated(config, transcription=None).audio.input.transcription is None
    assert updated(config, turn_detection={"type": "server_vad"}).detection == TurnDetection()


@pytest.mark.parametrize("eagerness", EAGERNESS)
def test_eagerness(eagerness):
    config = updated(turn_detection={"type": "semantic_vad", "eagerness": eagerness, "create_response": False})
    assert config.detection == TurnDetection(silence_duration_ms=EAGERNESS[eagerness])


def test_a_type_of_detection_replaces_the_other():
    config = updated(turn_detection={"type": "server_vad", "threshold": 0.7})
    config = updated(config, turn_detection={"type": "semantic_vad"})
    assert config.detection == TurnDetection(silence_duration_ms=1_000)
    assert updated(config, turn_detection={"type": "server_vad"}).detection == TurnDetection()


def test_options():
    config = updated(transcription={"languages": ["en", "German"], "keywords": ["Ada", "Grace"], "prompt": "p"})
    options = config.updated({"include": [LOGPROBS, WORDS]}).options(VadOptions())
    assert options.languages == ("en", "de")
    assert (options.hotwords, options.prompt) == ("Ada, Grace", "p")
    assert options.words
    assert options.logprobs
    assert options.vad == VadOptions()


def test_language_and_languages_replace_each_other():
    config = updated(transcription={"language": "de"})
    assert config.options(None).language == "de"
    config = updated(config, transcription={"languages": ["en", "fr"]})
    assert (config.options(None).language, config.options(None).languages) == (None, ("en", "fr"))
    assert updated(config, transcription={"language": "auto"}).options(None).language is None


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"format": {"type": "audio/pcm", "rate": 16_000}}, "session.audio.input.format.rate", "invalid_value"),
        ({"format": {"type": "audio/opus"}}, "session.audio.input.format", "invalid_value"),
        ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "session.audio.input.turn_detection.threshold",
         "invalid_value"),
        ({"turn_detection": {"type": "psychic"}}, "session.audio.input.turn_detection", "invalid_value"),
        ({"transcription": {"language": "xx"}}, "session.audio.input.transcription.language", "invalid_value"),
        ({"transcription": {"language": "en", "languages": ["de"]}}, "session.audio.input.transcription",
         "invalid_value"),
        ({"transcription": {"speed": 2}}, "session.audio.input.transcription.speed", "unknown_parameter"),
        ({"loudness": 3}, "session.audio.input.loudness", "unknown_parameter"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(given, param, code):
    with pytest.raises(InvalidRequest) as raised:
        updated(**given)
    assert (raised.value.param, raised.value.code) == (param, code)
    assert raised.value.message.startswith(param)


@pytest.mark.parametrize("given", [None, [], "x", {"type": "realtime"}])
def test_other_sessions_are_refused(given):
    with pytest.raises(InvalidRequest):
        LiveConfig().updated(given)
