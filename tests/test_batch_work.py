"""What Ray runs, without Ray: bad files are rows, and an engine that fails is started again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from endpoint.audio.decode import Child
from endpoint.audio.worker.protocol import Limits
from endpoint.batch import work
from endpoint.batch.sound import PackedSound, pack, unpack
from endpoint.batch.table import SCHEMA
from endpoint.batch.work import EngineActor, Job, finish, read, with_known_voices
from endpoint.config import Settings
from endpoint.core.pipeline import Pipeline
from endpoint.engine.fake import FakeEngine
from endpoint.errors import ConfigError, EngineFailed, InvalidRequest
from endpoint.options import KnownVoice, Options, SpeakerHints
from endpoint.speakers.turns import Diarization, SpeakerOptions, Turn
from endpoint.text.format import Rendering
from endpoint.types import Audio, EngineInfo, Hypothesis, Window

SEVEN = Path(__file__).parent / "audio" / "seven.flac"  # 1.6 s
THREE = Path(__file__).parents[1] / "endpoint" / "demo" / "recordings" / "LJ001-0013.flac"  # 2.6 s
INFO = EngineInfo("fake", "fake", "0", "none", "none")


@pytest.fixture(autouse=True)
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The decoding process, which ends with a worker of Ray, ends with a test."""
    made = list[Child]()

    def one(limits: Limits, timeout: float) -> Child:
        if not made:
            made.append(Child(limits, timeout))
        return made[0]

    monkeypatch.setattr(work, "_child", one)
    yield
    for process in made:
        process.close()
        process.end()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(Settings(engine="fake"), Options(), (Rendering("srt"),), str(tmp_path / "out"), False)


def row(path: str, **more: Any) -> dict[str, Any]:
    given = {"path": path, "size": 1, "modified": None, "metadata": "", "options": "o", "language": None}
    return {**given, "prompt": None, "known": "", **more}


def test_reading_gives_sound_and_what_the_file_is(job: Job) -> None:
    made = read(row(str(SEVEN)), job)
    assert made["content"] == hashlib.sha256(SEVEN.read_bytes()).hexdigest()
    assert len(unpack(made["sound"]).samples) > 16_000
    assert (made["error"], made["same"]) == (None, False)
    again = read(row(str(SEVEN), known=made["content"]), job)
    assert (again["sound"], again["same"]) == (None, True)
    part = read(row(str(SEVEN)), replace(job, options=Options(start_ms=500, end_ms=1500)))
    assert len(unpack(part["sound"]).samples) == 16_000


@pytest.mark.parametrize(
    ("content", "code", "lasting"),
    [(b"", "empty_file", True), (b"no sound", "invalid_audio", True), (None, "audio_missing", False)],
)
async def test_bad_files_are_rows(job: Job, tmp_path: Path, content: bytes | None, code: str, lasting: bool) -> None:
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    actor = EngineActor(job)
    made = await actor(read(row(str(path)), job))
    (done,) = finish(pa.Table.from_pylist([made]), job).to_pylist()
    assert (done["error"], done["lasting"], done["text"]) == (code, lasting, None)
    assert done["error_message"]


async def test_a_row_goes_all_the_way(job: Job) -> None:
    actor = EngineActor(job)
    made = await actor(read(row(str(SEVEN), language="fr", metadata='{"id": 1}'), job))
    table = finish(pa.Table.from_pylist([made]), job)
    assert table.schema.names == [*SCHEMA.names, "same"]
    (done,) = table.to_pylist()
    assert (done["language"], done["metadata"], done["error"]) == ("fr", '{"id": 1}', None)
    assert done["text"]
    (written,) = (Path(job.output) / "subtitles").iterdir()
    assert done["text"].split()[0] in written.read_text()


class Loud:
    """A Diarizer: everything is one turn of the known speaker."""

    async def diarize(self, audio: Audio, options: SpeakerOptions) -> Diarization:
        (known,) = options.known
        assert 2_000 <= known.audio.duration_ms <= 10_000
        return Diarization((Turn(0.0, audio.duration_ms / 1000, known.name),), None)

    async def close(self) -> None:
        """Nothing to close."""


async def test_speakers_are_in_the_row(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(work, "speaker_models", lambda _: tmp_path / "models")
    fake = FakeEngine(INFO)
    monkeypatch.setattr(work, "build_pipeline", lambda *_: Pipeline(fake, PackedSound(), 30.0, diarizer=Loud()))
    hints = SpeakerHints(known=(KnownVoice("Ann", THREE.read_bytes()),))
    asked = replace(job, options=Options(words=True, speakers=hints))
    known = with_known_voices(asked)
    assert known == with_known_voices(asked)  # else each run would be of other options
    made = await EngineActor(known)(read(row(str(SEVEN)), known))
    (done,) = finish(pa.Table.from_pylist([made]), known).to_pylist()
    assert done["error"] is None
    assert {turn["speaker"] for turn in done["speakers"]} == {"Ann"}
    assert {one["speaker"] for one in (*done["segments"], *done["words"])} == {"Ann"}


def test_speakers_without_their_models_end_the_run(job: Job, tmp_path: Path) -> None:
    asked = replace(job, options=Options(speakers=SpeakerHints()))
    bare = replace(asked, settings=Settings(engine="fake", model_cache=str(tmp_path)))
    with pytest.raises(ConfigError, match="endpoint models pull speakers"):
        EngineActor(bare)


@pytest.mark.parametrize("sound", [b"no sound", SEVEN.read_bytes()])
def test_a_known_voice_that_is_no_audio_or_too_short_is_refused(job: Job, sound: bytes) -> None:
    hints = SpeakerHints(known=(KnownVoice("Ann", sound),))
    with pytest.raises(InvalidRequest, match="'Ann'"):
        with_known_voices(replace(job, options=Options(speakers=hints)))


class Failing(FakeEngine):
    """Fails for good with the window that it is to fail with, as often as there are failures left."""

    left = 0
    made = 0
    poison = -1.0

    def __init__(self) -> None:
        super().__init__(INFO)
        Failing.made += 1

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        if Failing.left > 0 or window.samples[0] == Failing.poison:
            Failing.left -= 1
            self.fail = True
        return await super().decode(window, options)


def actor_of(monkeypatch: pytest.MonkeyPatch, job: Job, *, left: int = 0, poison: int = -1) -> EngineActor:
    Failing.left, Failing.poison, Failing.made = left, poison, 0
    monkeypatch.setattr(work, "build_pipeline", lambda *_: Pipeline(Failing(), PackedSound(), 30.0))
    return EngineActor(replace(job, options=Options(vad=None)))


def sound(level: int) -> bytes:
    return pack(Audio(np.full(32_000, level, np.int16), np.zeros(63, np.uint8)))


async def test_an_engine_that_fails_is_started_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = actor_of(monkeypatch, job, left=2)
    made = await actor(row("a", sound=sound(1000), error=None))
    assert made["error"] is None
    assert made["transcript"]
    assert Failing.made == 3


async def test_what_an_engine_fails_of_has_an_error_and_others_have_none(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = actor_of(monkeypatch, job, poison=3000)
    made = await asyncio.gather(
        *(actor(row("a", sound=sound(level), error=None)) for level in (1000, 2000, 3000, 4000))
    )
    failed = [number for number, one in enumerate(made) if one["error"] is not None]
    assert failed == [2]
    assert all(one["transcript"] for number, one in enumerate(made) if number != 2)


def test_a_model_that_cannot_be_loaded_ends_the_actor(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Pipeline:
        raise EngineFailed("no memory")

    monkeypatch.setattr(work, "build_pipeline", none)
    with pytest.raises(EngineFailed, match="no memory"):
        EngineActor(job)
