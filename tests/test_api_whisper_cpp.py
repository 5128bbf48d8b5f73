"""`/inference` as whisper.cpp's clients call it: the requests of its README and of its bench.js."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from endpoint.options import Task
from endpoint.types import Word
from tests.api_support import AUDIO, TRANSCRIPT, WORDS, StandIn, assert_error, client_of, serve

FILES = {"file": ("a.wav", AUDIO)}


@pytest.fixture
def core() -> StandIn:
    return StandIn()


def test_its_own_example_with_curl(tmp_path):
    """README of examples/server."""
    (tmp_path / "a.wav").write_bytes(AUDIO)
    core = StandIn()
    with serve(core) as url:
        command = ["curl", "-sS", f"{url}/inference", "-H", "Content-Type: multipart/form-data"]
        fields = [f"file=@{tmp_path / 'a.wav'}", "temperature=0.0", "temperature_inc=0.2", "response_format=json"]
        form = [part for field in fields for part in ("-F", field)]
        done = subprocess.run([*command, *form], capture_output=True, check=True)
    assert done.stdout.decode() == '{"text":" Hello wörld.\\n Good bye.\\n"}'
    assert core.calls[0][1].sampling.temperature_increment == 0.2


async def test_verbose_json_has_its_fields():
    first, second = TRANSCRIPT.segments
    segments = (replace(first, words=WORDS), replace(second, words=(Word(" Good", 3_400, 3_500, 0.5),)))
    core = StandIn(replace(TRANSCRIPT, segments=segments))
    async with client_of(core) as client:
        body = (await client.post("/inference", files=FILES, data={"response_format": "verbose_json"})).json()
    assert core.calls[0][1].words
    assert body.keys() >= {"task", "language", "duration", "text", "segments", "detected_language"}
    assert (body["language"], body["detected_language_probability"]) == ("english", 0.99)
    segment = body["segments"][1]
    assert segment["words"] == [{"word": " Good", "start": 3.4, "end": 3.5, "t_dtw": 340, "probability": 0.5}]
    assert segment.keys() >= {"id", "text", "start", "end", "tokens", "temperature", "avg_logprob", "no_speech_prob"}


@pytest.mark.parametrize(("form", "begins"), [("text", "Hello"), ("srt", "1\n00:00:00,000"), ("vtt", "WEBVTT\n\n")])
async def test_texts(core, form, begins):
    async with client_of(core) as client:
        response = await client.post("/inference", files=FILES, data={"response_format": form, "translate": "true"})
    assert response.text.startswith(begins)
    assert core.calls[0][1].task is Task.TRANSLATE


async def test_what_cannot_be_done_is_refused_by_name(core):
    async with client_of(core) as client:
        for param, value in (("tinydiarize", "true"), ("max_len", "30"), ("audio_ctx", "5")):
            response = await client.post("/inference", files=FILES, data={param: value})
            assert_error(response, 400, "unsupported", param)
        assert_error(await client.post("/load", data={"model": "other.bin"}), 400, "unsupported", "model")
    assert core.calls == []
