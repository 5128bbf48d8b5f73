"""Every field of OpenAI's forms, and what it does, on the real engine."""

from __future__ import annotations

import json

import pytest

from tests.conformance.clients import TRANSLATE, Client
from tests.conformance.contract import Transcription, VerboseTranscription, check_response
from tests.conformance.test_formats import REFERENCE, SAMPLES, SEVEN

pytestmark = pytest.mark.timeout(600)

LANGUAGES = {"en": "english", "fr": "french", "de": "german", "es": "spanish"}
VAD = {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 200, "silence_duration_ms": 300}


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_language_is_detected(client: Client, real: str, name: str) -> None:
    """No language: it is detected, and named in English"""
    response = client(real, file=SAMPLES / name, response_format="verbose_json").ok
    assert response.value["language"] == LANGUAGES[REFERENCE[name]["language"]]
    assert check_response("verbose_json", response.value).split() == REFERENCE[name]["text"].split()


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_language(client: Client, real: str, name: str) -> None:
    """language"""
    response = client(
        real, file=SAMPLES / name, language=REFERENCE[name]["language"], response_format="verbose_json"
    ).ok
    assert response.value["language"] == LANGUAGES[REFERENCE[name]["language"]]
    assert check_response("verbose_json", response.value).split() == REFERENCE[name]["text"].split()


@pytest.mark.parametrize("languages", [["de"], ["fr", "de"], ["es", "en", "de"]], ids="-".join)
def test_languages(client: Client, real: str, languages: list[str]) -> None:
    """languages[]"""
    response = client(real, file=SAMPLES / "german.flac", languages=languages, response_format="verbose_json").ok
    assert VerboseTranscription.model_validate(response.value).language == "german"


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
    response = client(real, call=call, prompt="red green blue apple").ok
    check_response("json", response.value, task="translate" if call == TRANSLATE else "transcribe")
    if call != TRANSLATE:
        bare = Transcription.model_validate(client(real).ok.value).usage.input_token_details
        with_prompt = Transcription.model_validate(response.value).usage.input_token_details
        assert with_prompt.text_tokens > bare.text_tokens


@pytest.mark.parametrize("temperature", [0, 0.0, 0.2, 1])
def test_temperature(client: Client, real: str, temperature: float) -> None:
    """temperature, from 0 to 1"""
    response = client(real, temperature=temperature, response_format="verbose_json").ok
    verbose = VerboseTranscription.model_validate(response.value)
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
    """an unknown chunking_strategy is refused"""
    failed = client(real, chunking_strategy=strategy).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "chunking_strategy")


def test_include_logprobs(client: Client, real: str) -> None:
    """include[]=logprobs: every token with its bytes and probability; the tokens joined are the text"""
    response = Transcription.model_validate(client(real, include=["logprobs"]).ok.value)
    assert response.logprobs
    assert b"".join(bytes(token.bytes) for token in response.logprobs).decode().strip() == response.text
    assert "".join(token.token for token in response.logprobs).strip() == response.text
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
    """stream=false is a whole response"""
    assert client(real, stream=False).ok.value["text"] == SEVEN


def test_extensions(client: Client, real: str) -> None:
    """Extra fields of ours, and of other servers, through the client's extra body"""
    response = client(real, hotwords="apple, seven", vad_filter=False, condition_on_previous_text=True, best_of=5).ok
    assert response.value["text"] == SEVEN
