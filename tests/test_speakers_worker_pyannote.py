"""pyannote's pipelines behind the same interface: their packages are made up here."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from endpoint.speakers.turns import Turn
from endpoint.speakers.worker.pyannote import Pyannote, Unsupported

pytest.importorskip("torch")


class Annotation:
    def __init__(self, *rows: tuple[float, float, str]) -> None:
        self.rows = rows

    def labels(self) -> list[str]:
        return sorted({label for _, _, label in self.rows})

    def itertracks(self, yield_label: bool):
        for number, (start, end, label) in enumerate(self.rows):
            yield SimpleNamespace(start=start, end=end), number, label


class Pipeline:
    known = "somewhere/pipeline"

    @classmethod
    def from_pretrained(cls, source: str) -> Pipeline | None:
        return cls() if source == cls.known else None

    def to(self, device: object) -> Pipeline:
        return self

    def __call__(self, sound: dict[str, object], **numbers: int | None) -> object:
        self.sound, self.numbers = sound, numbers
        found = Annotation((0.5, 2.0, "SPEAKER_01"), (1.5, 3.0, "SPEAKER_00"), (4.0, 4.0, "SPEAKER_00"))
        return SimpleNamespace(speaker_diarization=found)


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    package, audio = ModuleType("pyannote"), ModuleType("pyannote.audio")
    audio.Pipeline = Pipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyannote", package)
    monkeypatch.setitem(sys.modules, "pyannote.audio", audio)


def test_turns_are_labelled_as_ours_are() -> None:
    made = Pyannote(Pipeline.known)
    blocks = [np.ones(10, np.float32), np.zeros(6, np.float32)]
    assert made.diarize(blocks, None, 4, []) == [Turn(0.5, 2.0, "A"), Turn(1.5, 3.0, "B")]
    assert made._pipeline.numbers == {"num_speakers": None, "min_speakers": None, "max_speakers": 4}
    assert tuple(made._pipeline.sound["waveform"].shape) == (1, 16)
    made.diarize(blocks, 2, 2, [])
    assert made._pipeline.numbers["num_speakers"] == 2


def test_known_speakers_are_refused() -> None:
    with pytest.raises(Unsupported, match="built-in"):
        Pyannote(Pipeline.known).diarize([], None, None, [("Ann", np.zeros(10, np.float32))])


def test_a_pipeline_that_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="HF_TOKEN"):
        Pyannote("somewhere/else")
