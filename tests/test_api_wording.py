"""Layouts, wording and parts of a recording through the whole server, with the fake engine."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pysubs2
import pytest

from endpoint.audio.decode import Decoder
from endpoint.config import Settings
from endpoint.core.pipeline import Pipeline
from endpoint.core.word_sets import Vocabulary, WordSets
from endpoint.engine.fake import FakeEngine
from endpoint.types import EngineInfo, Word
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, client_of, segment
from tests.recordings import wav

ROUTE = "/v1/audio/transcriptions"
INFO = EngineInfo("fake", "fake", "1", "none", "none")
SETS = WordSets(vocabularies={"army": Vocabulary(("Alpha",), (("alpha", "ALPHA"),))})


def timed() -> StandIn:
    words = tuple(Word(f" word{k}", k * 300, k * 300 + 250) for k in range(40))
    one = replace(segment(0, 0, 12_000, "".join(word.text for word in words)), words=words)
    return StandIn(replace(TRANSCRIPT, segments=(one,), words=words, duration_ms=12_000))


async def post(core: StandIn, **fields: object):
    async with client_of(core) as client:
        return await client.post(ROUTE, data=fields, files={"file": AUDIO})


@pytest.mark.parametrize("form", ["srt", "vtt"])
async def test_a_layout(form: str) -> None:
    core = timed()
    response = await post(core, response_format=form, subtitle_layout="broadcast")
    assert response.status_code == 200
    events = pysubs2.SSAFile.from_string(response.text, form)
    assert len(events) > 1
    assert all(max(map(len, event.plaintext.split("\n"))) <= 42 for event in events)
    assert core.calls[0][1].words


async def test_what_a_layout_could_not_do_is_in_the_header() -> None:
    response = await post(StandIn(), response_format="srt", max_line_width="20")
    assert [row["code"] for row in json.loads(response.headers["x-warnings"])] == ["word_times_guessed"]


async def test_paragraphs() -> None:
    body = (await post(StandIn(), response_format="verbose_json", paragraphs="true")).json()
    assert body["paragraphs"] == [{"start": 0.0, "end": 8.47, "text": "Hello wörld. Good bye."}]
    assert "paragraphs" not in (await post(StandIn(), response_format="verbose_json")).json()


async def test_errors_name_the_field() -> None:
    error = (await post(StandIn(), max_line_width="20")).json()["error"]
    assert (error["param"], error["code"]) == ("max_line_width", "invalid_value")


@pytest.fixture
async def pipeline():
    made = Pipeline(FakeEngine(INFO), Decoder(Settings(decode_workers=1)), 30.0, words=SETS)
    await made.start()
    yield made
    await made.close()


def tones(seconds: int) -> bytes:
    """A word of the fake engine for each second, by its level."""
    t = np.arange(16_000) / 16_000
    parts = [np.sin(2 * np.pi * 200 * t) * (3_000 + 200 * k) for k in range(seconds)]
    return wav(np.concatenate(parts).astype(np.int16)[:, np.newaxis], 16_000)


async def asked(pipeline: Pipeline, data: bytes, **fields: str):
    """The response to a form, and the options that the core got."""
    async with client_of({"fake": pipeline}) as client:  # type: ignore[dict-item]
        fields = {"vad_filter": "false", "response_format": "verbose_json"} | fields
        return await client.post(ROUTE, data=fields, files={"file": data})


async def test_a_part_of_the_recording_keeps_the_times_of_the_file(pipeline: Pipeline) -> None:
    whole = (await asked(pipeline, tones(8), **{"timestamp_granularities[]": "word"})).json()
    part = (await asked(pipeline, tones(8), start="2", end="5", **{"timestamp_granularities[]": "word"})).json()
    assert part["words"] == whole["words"][2:5]
    assert (part["words"][0]["start"], part["words"][-1]["end"]) == (2.0, 5.0)
    assert (part["duration"], part["usage"]["seconds"]) == (3.0, 3)


async def test_a_part_behind_the_end_is_refused(pipeline: Pipeline) -> None:
    response = await asked(pipeline, tones(2), start="3")
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "start"
    assert (await asked(pipeline, tones(2), start="1", end="9")).json()["duration"] == 1.0


async def test_wording_reaches_text_segments_words_and_streams(pipeline: Pipeline) -> None:
    plain = (await asked(pipeline, tones(3))).json()["text"].split()
    fields = {"replacements": json.dumps({plain[0]: "Zero", plain[1]: "One"}), "profanity_words[]": plain[2]}
    fields["timestamp_granularities[]"] = ["segment", "word"]
    body = (await asked(pipeline, tones(3), **fields)).json()
    expected = ["Zero", "One", plain[2][0] + "*" * (len(plain[2]) - 1)]
    assert body["text"].split() == expected
    assert body["segments"][0]["text"].split() == expected
    assert [word["word"] for word in body["words"]] == expected
    del fields["timestamp_granularities[]"]
    streamed = (await asked(pipeline, tones(3), stream="true", response_format="text", **fields)).text
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]
    assert "".join(event.get("delta", "") for event in events) == events[-1]["text"] == " ".join(expected)


async def test_a_vocabulary_is_named(pipeline: Pipeline) -> None:
    assert (await asked(pipeline, tones(1), **{"vocabulary[]": "army"})).status_code == 200
    error = (await asked(pipeline, tones(1), **{"vocabulary[]": "navy"})).json()["error"]
    assert (error["param"], "army" in error["message"]) == ("vocabulary[]", True)
