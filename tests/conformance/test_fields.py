"""Every field of OpenAI's forms, and what it does, on the real engine."""

from __future__ import annotations

import json

import pytest

from tests.conformance.clients import TRANSLATE, Client
from tests.conformance.contract import Transcription, VerboseTranscription, check_reply
from tests.conformance.test_formats import SAID, SAMPLES, SEVEN

pytestmark = pytest.mark.timeout(600)

LANGUAGES = {"en": "english", "fr": "french", "de": "german", "es": "spanish"}
VAD = {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 200, "silence_duration_ms": 300}


@pytest.mark.parametrize("name", sorted(SAID))
def test_language_is_detected(client: Client, real: str, name: str) -> None:
    """No language: it is detected, and named in English"""
    reply = client(real, file=SAMPLES / name, response_format="verbose_json").ok
    assert reply.value["language"] == LANGUAGES[SAID[name]["language"]]
    assert check_reply("verbose_json", reply.value).split() == SAID[name]["text"].split()


@pytest.mark.parametrize("name", sorted(SAID))
def test_language(client: Client, real: str, name: str) -> None:
    """language"""
    reply = client(real, file=SAMPLES / name, language=SAID[name]["language"], response_format="verbose_json").ok
    assert reply.value["language"] == LANGUAGES[SAID[name]["language"]]
    assert check_reply("verbose_json", reply.value).split() == SAID[name]["text"].split()


@pytest.mark.parametrize("languages", [["de"], ["fr", "de"], ["es", "en", "de"]], ids="-".join)
def test_languages(client: Client, real: str, languages: list[str]) -> None:
    """languages[]"""
    reply = client(real, file=SAMPLES / "german.flac", languages=languages, response_format="verbose_json").ok
    assert VerboseTranscription.model_validate(reply.value).language == "german"


def test_language_and_languages(client: Client, real: str) -> None:
    """language with languages[] is refused"""
    failed = client(real, language="en", languages=["en", "de"]).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "languages[]")


def test_keywords(client: Client, real: str) -> None:
    """keywords[]: taken as prompt tokens, and refused where they are no plain line"""
    usage = Transcription.model_validate(client(real, keywords=["apple", "seven"]).ok.value).usage
    assert usage.input_token_details.text_tokens > 0
    failed = client(real, keywords=["<apple>"]).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "keywords[]")


@pytest.mark.parametrize("call", ["audio.transcriptions.create", TRANSLATE])
def test_prompt(client: Client, real: str, call: str) -> None:
    """prompt"""
    reply = client(real, call=call, prompt="red green blue apple").ok
    check_reply("json", reply.value, task="translate" if call == TRANSLATE else "transcribe")
    if call != TRANSLATE:
        bare = Transcription.model_validate(client(real).ok.value).usage.input_token_details
        with_prompt = Transcription.model_validate(reply.value).usage.input_token_details
        assert with_prompt.text_tokens > bare.text_tokens


@pytest.mark.parametrize("temperature", [0, 0.0, 0.2, 1])
def test_temperature(client: Client, real: str, temperature: float) -> None:
    """temperature, from 0 to 1"""
    reply = client(real, temperature=temperature, response_format="verbose_json").ok
    verbose = VerboseTranscription.model_validate(reply.value)
    assert all(segment.temperature >= temperature for segment in verbose.segments or [])


@pytest.mark.parametrize("temperature", [-0.1, 1.1])
def test_temperature_out_of_range(client: Client, real: str, temperature: float) -> None:
    """temperature outside of 0 to 1 is refused"""
    failed = client(real, temperature=temperature).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "temperature")


@pytest.mark.parametrize("strategy", ["auto", VAD, {"type": "server_vad"}, json.dumps(VAD)], ids=str)
def test_chunking_strategy(client: Client, real: str, strategy: object) -> None:
    """chunking_strategy: auto, an object in brackets, and the object as JSON text"""
    assert Transcription.model_validate(client(real, chunking_strategy=strategy).ok.value).text == SEVEN


@pytest.mark.parametrize("strategy", ["sometimes", {"type": "client_vad"}, {"type": "server_vad", "threshold": 2}])
def test_chunking_strategy_is_checked(client: Client, real: str, strategy: object) -> None:
    """a chunking_strategy that there is not is refused"""
    failed = client(real, chunking_strategy=strategy).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "chunking_strategy")


def test_include_logprobs(client: Client, real: str) -> None:
    """include[]=logprobs: every token, its bytes and probability, whose texts joined are the text"""
    reply = Transcription.model_validate(client(real, include=["logprobs"]).ok.value)
    assert reply.logprobs
    assert b"".join(bytes(token.bytes) for token in reply.logprobs).decode().strip() == reply.text
    assert "".join(token.token for token in reply.logprobs).strip() == reply.text
    assert "logprobs" not in client(real).ok.value


@pytest.mark.parametrize("form", ["text", "srt", "vtt", "verbose_json"])
def test_include_needs_json(client: Client, real: str, form: str) -> None:
    """include[]=logprobs without json is refused"""
    failed = client(real, include=["logprobs"], response_format=form).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "include[]")


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt"])
def test_granularities_need_verbose_json(client: Client, real: str, form: str) -> None:
    """timestamp_granularities[] without verbose_json is refused"""
    failed = client(real, timestamp_granularities=["word"], response_format=form).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "timestamp_granularities[]")


def test_stream_false_and_null(client: Client, real: str) -> None:
    """stream=false is a whole reply"""
    assert client(real, stream=False).ok.value["text"] == SEVEN


def test_extensions(client: Client, real: str) -> None:
    """Extra fields of ours, and of other servers, through the client's extra body"""
    reply = client(real, hotwords="apple, seven", vad_filter=False, condition_on_previous_text=True, best_of=5).ok
    assert reply.value["text"] == SEVEN
