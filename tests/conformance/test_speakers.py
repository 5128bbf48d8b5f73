"""Speakers and channels of human speech, with whisper-base: diarized_json whole and streamed, known speakers, calls."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conformance.clients import Client
from tests.conformance.contract_speakers import Diarized, DiarizedSegment
from tests.recordings import wav
from tests.test_audio_echo import voice

pytestmark = pytest.mark.timeout(900)
RATE = 16_000
READER, PRESIDENT = ("LJ001-0005.flac", "LJ001-0015.flac"), "jfk.flac"
CLASSES = {
    "transcript.text.delta": "TranscriptionTextDeltaEvent",
    "transcript.text.segment": "TranscriptionTextSegmentEvent",
    "transcript.text.done": "TranscriptionTextDoneEvent",
}


def reference(name: str) -> str:
    file = io.BytesIO()
    soundfile.write(file, np.rint(voice(name, 8.0)).astype(np.int16), RATE, format="FLAC")
    return f"data:audio/flac;base64,{base64.b64encode(file.getvalue()).decode()}"


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A woman reads, a man speaks, she reads on."""
    path = tmp_path_factory.mktemp("speakers") / "talk.wav"
    parts = [voice(READER[0], 8.0), voice(PRESIDENT, 11.0), voice(READER[1], 8.0)]
    path.write_bytes(wav(np.rint(np.concatenate(parts)).astype(np.int16)[:, np.newaxis], RATE))
    return path


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """She is on the left, he on the right; each comes back on the other channel, 20 dB down and 0.1 s late."""
    path = tmp_path_factory.mktemp("speakers") / "call.wav"
    left = np.concatenate([voice(READER[0], 8.0), np.zeros(11 * RATE)])
    right = np.concatenate([np.zeros(8 * RATE), voice(PRESIDENT, 11.0)])
    late = RATE // 10
    echoes = [0.1 * np.concatenate([np.zeros(late), other[:-late]]) for other in (right, left)]
    sound = np.stack([left + echoes[0], right + echoes[1]], 1)
    path.write_bytes(wav(np.rint(sound).astype(np.int16), RATE))
    return path


def test_two_voices(client: Client, human: str, talk: Path) -> None:
    """diarized_json: two people, each with their words"""
    response = client(
        human, file=talk, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    ).ok
    if client.is_python and "1." not in client.name:
        assert response.kind == "TranscriptionDiarized"
    made = Diarized.model_validate(response.value)
    assert made.speakers_found == 2
    speakers = [segment.speaker for segment in made.segments]
    assert speakers[0] == speakers[-1] == "A"
    assert [line.partition(": ")[0] for line in made.text.split("\n")] == ["A", "B", "A"]
    his = "".join(segment.text for segment in made.segments if segment.speaker == "B").lower()
    assert "ask not what your country can do for you" in his
    assert "fellow americans" in his


def test_streamed(client: Client, human: str, talk: Path) -> None:
    """diarized_json streamed: segments as events, deltas that join to the text, and done"""
    response = client(human, file=talk, response_format="diarized_json", stream=True, chunking_strategy="auto").ok
    events = [event["value"] for event in response.events]
    segments = [DiarizedSegment.model_validate(event) for event in events if event["type"] == "transcript.text.segment"]
    assert {segment.speaker for segment in segments} == {"A", "B"}
    deltas = [event for event in events if event["type"] == "transcript.text.delta"]
    assert [event["segment_id"] for event in deltas] == [segment.id for segment in segments]
    assert events[-1]["type"] == "transcript.text.done"
    assert "".join(event["delta"] for event in deltas) == events[-1]["text"]
    if client.is_python and "1." not in client.name:
        assert [event["class"] for event in response.events] == [CLASSES[event["type"]] for event in events]


def test_known_speakers(client: Client, human: str, talk: Path) -> None:
    """known_speaker_names[]: the reader is named, the man is not"""
    made = Diarized.model_validate(
        client(
            human, file=talk, response_format="diarized_json", chunking_strategy="auto",
            known_speaker_names=["Linda"], known_speaker_references=[reference("LJ001-0003.flac")],
        ).ok.value
    )  # fmt: skip
    names = list(dict.fromkeys(segment.speaker for segment in made.segments))
    assert names == ["Linda", "A"]


def test_channels(client: Client, human: str, call: Path) -> None:
    """multichannel: both channels by themselves, and no echo twice"""
    made = Diarized.model_validate(
        client(human, file=call, response_format="diarized_json", multichannel=True).ok.value
    )
    assert [line.partition(": ")[0] for line in made.text.split("\n")] == ["channel_0", "channel_1"]
    assert made.text.lower().count("fellow americans") == 1
    assert {notice.code for notice in made.warnings or ()} == {"echo_left_out"}
