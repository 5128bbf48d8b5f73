"""Speakers and channels over HTTP: every format, whole and streamed, with OpenAI's own client and types."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from openai import OpenAI
from openai.types.audio import (
    TranscriptionDiarized,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
)

from endpoint.api import schemas
from endpoint.audio.decode import Decoder
from endpoint.config import Settings
from endpoint.core.pipeline import Pipeline
from endpoint.engine.fake import FakeEngine
from tests.api_support import assert_error, client_of, serve, wait_for
from tests.recordings import wav
from tests.speakers_support import Alternating
from tests.test_api_wording import INFO, ROUTE, tones

pytestmark = pytest.mark.timeout(120)
TALK = tones(8)  # A and B speak in turn, two seconds each


def pipeline(diarizer: Alternating | None) -> Pipeline:
    decoder = Decoder(Settings(decode_workers=1))
    return Pipeline(FakeEngine(INFO), decoder, 30.0, diarizer=diarizer)  # type: ignore[arg-type]


@pytest.fixture
def url() -> Iterator[str]:
    with serve({"fake": pipeline(Alternating())}, max_upload_mb=20, vad_filter=False) as base:  # type: ignore[dict-item]
        wait_for(lambda: httpx.get(f"{base}/ready").status_code == 200)
        yield base


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


async def post(data: bytes, diarizer: Alternating | None = None, path: str = ROUTE, **fields: object) -> httpx.Response:
    core = pipeline(diarizer)
    await core.start()
    try:
        async with client_of({"fake": core}) as client:  # type: ignore[dict-item]
            return await client.post(path, data={"vad_filter": "false", **fields}, files={"file": data})
    finally:
        await core.close()


def stereo() -> bytes:
    """One speaks in the first and third second on the left, the other in the second and fourth on the right."""
    t = np.arange(16_000) / 16_000
    high, low = (np.sin(2 * np.pi * pitch * t) * 4_000 for pitch in (900, 200))
    left = np.concatenate([high, 0 * t, high, 0 * t])
    right = np.concatenate([0 * t, low, 0 * t, low])
    return wav(np.stack([left, right], 1).astype(np.int16), 16_000)


def test_openais_client_parses_diarized_json(client: OpenAI) -> None:
    made = client.audio.transcriptions.create(
        file=("talk.wav", TALK), model="gpt-4o-transcribe-diarize", response_format="diarized_json",
        chunking_strategy="auto",
    )  # fmt: skip
    assert isinstance(made, TranscriptionDiarized)
    TranscriptionDiarized.model_validate(made.to_dict(), strict=True)
    schemas.DiarizedTranscription.model_validate(made.to_dict(), strict=True)
    assert (made.task, made.duration) == ("transcribe", 8.0)
    assert [one.speaker for one in made.segments] == ["A", "B", "A", "B"]
    assert [one.type for one in made.segments] == ["transcript.text.segment"] * 4
    assert [one.id for one in made.segments] == ["seg_000", "seg_001", "seg_002", "seg_003"]
    assert made.text.split("\n") == [f"{one.speaker}: {one.text.strip()}" for one in made.segments]
    assert made.usage is not None
    assert made.usage.to_dict() == {"type": "duration", "seconds": 8}


def test_openais_client_streams_segments(client: OpenAI) -> None:
    *events, done = client.audio.transcriptions.create(
        file=("talk.wav", TALK), model="gpt-4o-transcribe-diarize", response_format="diarized_json", stream=True,
        chunking_strategy="auto", extra_body={"num_speakers": 2},
    )  # fmt: skip
    deltas = [event for event in events if isinstance(event, TranscriptionTextDeltaEvent)]
    segments = [event for event in events if isinstance(event, TranscriptionTextSegmentEvent)]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert [event.segment_id for event in deltas] == [event.id for event in segments] != []
    assert {event.speaker for event in segments} == {"A", "B"}
    assert "".join(event.delta for event in deltas) == done.text
    assert done.usage is not None
    assert done.usage.input_tokens > 0
    for event in segments:
        schemas.DiarizedSegment.model_validate(event.to_dict(), strict=True)
    schemas.TextDone.model_validate(done.to_dict(), strict=True)


def test_a_known_speaker_is_named(client: OpenAI) -> None:
    reference = "data:audio/wav;base64," + base64.b64encode(tones(10)).decode()
    made = client.audio.transcriptions.create(
        file=("talk.wav", TALK), model="whisper-1", response_format="diarized_json", chunking_strategy="auto",
        known_speaker_names=["Agent"], known_speaker_references=[reference],
    )  # fmt: skip
    assert isinstance(made, TranscriptionDiarized)
    assert {one.speaker for one in made.segments} == {"Agent", "A"}


async def test_verbose_json() -> None:
    asked = {"response_format": "verbose_json", "diarize": "true", "num_speakers": "3"}
    body = (await post(TALK, Alternating(), **asked, **{"timestamp_granularities[]": ["segment", "word"]})).json()
    schemas.VerboseTranscription.model_validate(body, strict=True)
    assert [one["speaker"] for one in body["segments"]] == ["A", "B", "A", "B"]
    assert [one["speaker"] for one in body["words"]] == list("AABBAABB")
    assert body["text"] == "".join(one["text"] for one in body["segments"]).strip()
    assert (body["speakers_found"], body["speakers_asked"]) == (2, 3)
    assert body["speakers"][1] == {"speaker": "B", "turns": [{"start": 2.0, "end": 4.0}, {"start": 6.0, "end": 8.0}]}
    assert body["warnings"][0]["code"] == "fewer_speakers"
    assert "words" not in (await post(TALK, Alternating(), **asked)).json()


async def test_subtitles_and_text_name_who_speaks() -> None:
    srt = (await post(TALK, Alternating(), response_format="srt", diarize="true")).text
    assert [line[:4] for line in srt.split("\n") if line.startswith("[")] == ["[A] ", "[B] ", "[A] ", "[B] "]
    vtt = (await post(TALK, Alternating(), response_format="vtt", diarize="true")).text
    assert re.findall("^<v (.)>", vtt, re.MULTILINE) == ["A", "B", "A", "B"]
    laid = {"max_line_width": "12", "diarize": "true"}
    lines = (await post(TALK, Alternating(), response_format="srt", **laid)).text.split("\n")
    assert max(len(line) for line in lines if "-->" not in line) <= 12
    assert sum(line.startswith("[") for line in lines) == 4
    text = (await post(TALK, Alternating(), response_format="text", diarize="true")).text
    assert [line[:3] for line in text.splitlines()] == ["A: ", "B: ", "A: ", "B: "]
    assert (await post(TALK, Alternating(), diarize="true")).json()["text"] == text.strip()


@pytest.mark.parametrize("form", ["json", "text", "verbose_json", "diarized_json"])
async def test_streams_join_to_the_text(form: str) -> None:
    stream = (await post(TALK, Alternating(), response_format=form, diarize="true", stream="true")).text
    events = [json.loads(line.removeprefix("data: ")) for line in stream.split("\n\n") if line.startswith("data: ")]
    deltas = [event["delta"] for event in events if event["type"] == "transcript.text.delta"]
    assert "".join(deltas) == events[-1]["text"]
    assert len(deltas) == 4
    whole = await post(TALK, Alternating(), response_format=form, diarize="true")
    assert events[-1]["text"] == (whole.text.strip() if form == "text" else whole.json()["text"])


async def test_older_services_have_speakers_too() -> None:
    body = (await post(TALK, Alternating(), "/transcribe", diarize="true", word_timestamps="true")).json()
    assert [one["speaker"] for one in body["segments"]] == ["A", "B", "A", "B"]
    assert body["segments"][1]["words"][0]["speaker"] == "B"
    asr = (await post(TALK, Alternating(), "/asr", diarize="true", min_speakers="2", output="json")).json()
    assert [one["speaker"] for one in asr["segments"]] == ["A", "B", "A", "B"]
    assert (await post(TALK, Alternating(), "/asr", diarize="true")).text.startswith("[A] ")
    cpp = (await post(TALK, Alternating(), "/inference", diarize="true", response_format="verbose_json")).json()
    assert cpp["segments"][0]["speaker"] == cpp["segments"][0]["words"][0]["speaker"] == "A"
    assert (await post(TALK, Alternating(), "/inference", response_format="diarized_json")).json()["segments"]


async def test_channels_are_speakers() -> None:
    body = (await post(stereo(), multichannel="true", response_format="verbose_json")).json()
    schemas.VerboseTranscription.model_validate(body, strict=True)
    names = ["channel_0", "channel_1", "channel_0", "channel_1"]
    assert [one["speaker"] for one in body["segments"]] == names
    assert (body["duration"], body["usage"]["seconds"]) == (4.0, 4)
    assert [row["speaker"] for row in body["speakers"]] == ["channel_0", "channel_1"]
    assert "speakers_asked" not in body
    diarized = (await post(stereo(), multichannel="true", response_format="diarized_json")).json()
    assert [one["speaker"] for one in diarized["segments"]] == names
    srt = (await post(stereo(), multichannel="true", response_format="srt")).text
    assert srt.count("[channel_1] ") == 2
    stream = (await post(stereo(), multichannel="true", response_format="diarized_json", stream="true")).text
    assert stream.count('"type":"transcript.text.segment"') == 4


async def test_without_models_the_command_is_named() -> None:
    message = assert_error(await post(TALK, diarize="true"), 400, "speakers_not_installed", "diarize")
    assert "endpoint models pull speakers" in message
    assert_error(await post(TALK, diarize="true", stream="true"), 400, "speakers_not_installed", "diarize")
