"""`/asr` and `/detect-language` as whisper-asr-webservice's clients call them; Bazarr sends raw PCM."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import numpy as np
import pysubs2
import pytest

from endpoint.api.whisper_asr import with_header
from endpoint.audio.worker.wav import read_wave
from endpoint.memfile import MemoryFile
from endpoint.options import Task
from endpoint.types import Word
from tests.api_support import AUDIO, TRANSCRIPT, WORDS, StandIn, assert_error, client_of, serve

FILES = {"audio_file": ("talk.mp3", AUDIO, "audio/mpeg")}
PCM = np.arange(-500, 500, dtype="<i2").tobytes()


@pytest.fixture
def core() -> StandIn:
    return StandIn()


async def test_fields_stand_in_the_address(core):
    query = {"task": "translate", "language": "de", "initial_prompt": "hi", "vad_filter": "false", "encode": "true"}
    async with client_of(core) as client:
        response = await client.post("/asr", params=query, files=FILES)
    assert response.text == "Hello wörld.\nGood bye.\n"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["content-disposition"].endswith("talk.mp3.txt")
    assert response.headers["asr-engine"] == "vllm"
    ((data, options),) = core.calls
    assert (data, options.task, options.language, options.prompt) == (AUDIO, Task.TRANSLATE, "de", "hi")
    assert options.vad is None


@pytest.mark.parametrize("output", ["srt", "vtt", "tsv", "json", "txt"])
async def test_every_output(core, output):
    async with client_of(core) as client:
        response = await client.post("/asr", params={"output": output}, files=FILES)
    assert response.status_code == 200
    if output == "json":
        body = response.json()
        assert (body["language"], body["text"]) == ("en", TRANSCRIPT.text)
        assert [segment["text"] for segment in body["segments"]] == [s.text for s in TRANSCRIPT.segments]
        assert "words" not in body["segments"][0]
    elif output == "tsv":
        assert response.text == "start\tend\ttext\n0\t3320\tHello wörld.\n3320\t8470\tGood bye.\n"
    elif output in ("srt", "vtt"):
        cues = pysubs2.SSAFile.from_string(response.text, format_=output)
        assert [(cue.start, cue.end, cue.text) for cue in cues] == [
            (0, 3320, "Hello wörld."),
            (3320, 8470, "Good bye."),
        ]


async def test_words_stand_in_their_segments():
    first, second = TRANSCRIPT.segments
    segments = (replace(first, words=WORDS), replace(second, words=(Word(" Good", 3_400, 3_500, 0.5),)))
    core = StandIn(replace(TRANSCRIPT, segments=segments))
    async with client_of(core) as client:
        query = {"output": "json", "word_timestamps": "true"}
        body = (await client.post("/asr", params=query, files=FILES)).json()
    assert core.calls[0][1].words
    assert body["segments"][1]["words"] == [{"word": " Good", "start": 3.4, "end": 3.5, "probability": 0.5}]


async def test_raw_pcm_as_bazarr_sends_it(core):
    """Its provider: /asr?task=transcribe&language=en&output=srt&encode=false, and /detect-language?encode=false."""
    async with client_of(core) as client:
        response = await client.post("/asr", params={"output": "srt", "encode": "false"}, files={"audio_file": PCM})
        assert response.status_code == 200
        found = (await client.post("/detect-language", params={"encode": "false"}, files={"audio_file": PCM})).json()
    assert found["detected_language"] == "english"
    assert found["language_code"] == "en"
    for data, _ in core.calls:
        wave = read_wave(memoryview(data))
        assert wave is not None
        assert (wave.rate, wave.sound.tobytes()) == (16_000, PCM)


def test_a_header_is_put_before_any_size(monkeypatch):
    monkeypatch.setattr("endpoint.api.whisper_asr.PIECE", 7)
    raw = MemoryFile(PCM)
    whole = with_header(raw)
    assert whole.read()[44:] == PCM
    assert raw.closed


async def test_what_cannot_be_done_is_refused_by_name(core):
    async with client_of(core) as client:
        for query, code, param in (
            ({"tinydiarize": "true"}, "unsupported", "tinydiarize"),
            ({"output": "docx"}, "invalid_value", "output"),
            ({"language": "klingon"}, "invalid_value", "language"),
        ):
            assert_error(await client.post("/asr", params=query, files=FILES), 400, code, param)
        assert_error(await client.post("/asr"), 400, "invalid_form")
        response = await client.post("/asr", params={"no_such": "1", "diarize": "false"}, files=FILES)
    assert response.status_code == 200
    assert "no_such" in response.headers["x-warnings"]


def test_its_own_example_with_curl(tmp_path):
    """README of whisper-asr-webservice: curl -F audio_file=@..."""
    (tmp_path / "a.wav").write_bytes(AUDIO)
    core = StandIn()
    with serve(core) as url:
        address = f"{url}/asr?task=transcribe&output=vtt&encode=true"
        command = ["curl", "-sS", "-X", "POST", "-H", "content-type: multipart/form-data", address]
        form = ["-F", f"audio_file=@{tmp_path / 'a.wav'};type=audio/wav"]
        done = subprocess.run([*command, *form], capture_output=True, check=True)
    assert done.stdout.decode().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:03.320\nHello wörld.\n")
