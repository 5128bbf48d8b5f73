"""Every response format, for transcriptions and translations, whole, on the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import jiwer
import pytest

from tests.conformance.clients import AUDIO, TRANSLATE, Client
from tests.conformance.contract import FORMATS, MEDIA_TYPES, check_reply

SAMPLES = Path(__file__).parents[2] / "endpoint" / "demo" / "samples"
SAID = json.loads((SAMPLES / "said.json").read_text())
SEVEN = json.loads((AUDIO / "transcripts.json").read_text())["seven.wav"]
CLASSES = {"json": "Transcription", "verbose_json": "TranscriptionVerbose"}

pytestmark = pytest.mark.timeout(600)  # the first test also waits for the model to load


@pytest.mark.parametrize("form", [None, *FORMATS])
def test_transcription(client: Client, real: str, form: str | None) -> None:
    """Transcription: json, text, srt, verbose_json, vtt, and none named"""
    reply = client(real, **({"response_format": form} if form else {})).ok
    assert check_reply(form or "json", reply.value) == SEVEN
    if client.is_python:
        assert reply.kind == CLASSES.get(form or "json", "str")


@pytest.mark.parametrize("form", FORMATS)
def test_translation(client: Client, real: str, form: str) -> None:
    """Translation: the same formats"""
    reply = client(real, call=TRANSLATE, file=SAMPLES / "german.flac", response_format=form).ok
    heard = check_reply(form, reply.value, task="translate")
    assert jiwer.wer("hello friend open window now write letter monday morning bring milk with sugar", heard) <= 0.2


@pytest.mark.parametrize("granularities", [(), ("segment",), ("word",), ("word", "segment")], ids="-".join)
def test_granularities(client: Client, real: str, granularities: tuple[str, ...]) -> None:
    """verbose_json lists segments, words or both, as asked"""
    asked = {"timestamp_granularities": granularities} if granularities else {}
    reply = client(real, file=SAMPLES / "english.wav", response_format="verbose_json", **asked).ok
    assert check_reply("verbose_json", reply.value, granularities=granularities) == SAID["english.wav"]["text"]
    assert reply.value["language"] == "english"


@pytest.mark.parametrize("form", FORMATS)
def test_media_types(client: Client, real: str, form: str) -> None:
    """The media type fits the body, and the status is 200"""
    reply = client(real, response_format=form, way="raw").ok
    assert reply.status == 200
    assert reply.headers["content-type"] == MEDIA_TYPES[form]
    check_reply(form, reply.value)


@pytest.mark.parametrize("form", FORMATS)
def test_silence(client: Client, real: str, form: str, tmp_path: Path) -> None:
    """A recording without speech gives an empty reply of the right form"""
    import numpy as np

    from tests.recordings import wav

    quiet = tmp_path / "quiet.wav"
    quiet.write_bytes(wav(np.zeros((16_000, 1), np.int16), 16_000))
    reply = client(real, file=quiet, response_format=form).ok
    assert check_reply(form, reply.value) == ""
