"""Every response format, for transcriptions and translations, whole, on the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import jiwer
import pytest

from tests.conformance.clients import AUDIO, TRANSLATE, Client
from tests.conformance.contract import FORMATS, MEDIA_TYPES, check_response

SAMPLES = Path(__file__).parents[2] / "endpoint" / "demo" / "samples"
REFERENCE = json.loads((SAMPLES / "texts.json").read_text())
SEVEN = json.loads((AUDIO / "transcripts.json").read_text())["seven.wav"]
CLASSES = {"json": "Transcription", "verbose_json": "TranscriptionVerbose"}

pytestmark = pytest.mark.timeout(600)  # the first test also waits for the model to load


@pytest.mark.parametrize("form", [None, *FORMATS])
def test_transcription(client: Client, real: str, form: str | None) -> None:
    """Transcription: json, text, srt, verbose_json, vtt, and none named"""
    response = client(real, **({"response_format": form} if form else {})).ok
    assert check_response(form or "json", response.value) == SEVEN
    if client.is_python:
        assert response.kind == CLASSES.get(form or "json", "str")


@pytest.mark.parametrize("form", FORMATS)
def test_translation(client: Client, real: str, form: str) -> None:
    """Translation: the same formats"""
    response = client(real, call=TRANSLATE, file=SAMPLES / "german.flac", response_format=form).ok
    recognized = check_response(form, response.value, task="translate")
    expected = "hello friend open window now write letter monday morning bring milk with sugar"
    assert jiwer.wer(expected, recognized) <= 0.2


@pytest.mark.parametrize("granularities", [(), ("segment",), ("word",), ("word", "segment")], ids="-".join)
def test_granularities(client: Client, real: str, granularities: tuple[str, ...]) -> None:
    """verbose_json lists segments, words or both, as asked"""
    asked = {"timestamp_granularities": granularities} if granularities else {}
    response = client(real, file=SAMPLES / "english.wav", response_format="verbose_json", **asked).ok
    assert (
        check_response("verbose_json", response.value, granularities=granularities) == REFERENCE["english.wav"]["text"]
    )
    assert response.value["language"] == "english"


@pytest.mark.parametrize("form", FORMATS)
def test_media_types(client: Client, real: str, form: str) -> None:
    """The media type fits the body, and the status is 200"""
    response = client(real, response_format=form, way="raw").ok
    assert response.status == 200
    assert response.headers["content-type"] == MEDIA_TYPES[form]
    check_response(form, response.value)


@pytest.mark.parametrize("form", FORMATS)
def test_silence(client: Client, real: str, form: str, tmp_path: Path) -> None:
    """A recording without speech gives an empty response of the right form"""
    import numpy as np

    from tests.recordings import wav

    quiet = tmp_path / "quiet.wav"
    quiet.write_bytes(wav(np.zeros((16_000, 1), np.int16), 16_000))
    response = client(real, file=quiet, response_format=form).ok
    assert check_response(form, response.value) == ""
