"""A small slice of `make quality`, on the live server: nothing missing, nothing made up, every word timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.quality import ours, scores
from benchmarks.quality.recordings import Recording

FOLDER = Path(__file__).parent / "audio" / "quality"
RECORDINGS = [Recording(**item) for item in json.loads((FOLDER / "recordings.json").read_text())]

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def answers(model_server: str) -> dict[str, dict]:
    return ours.transcribe_all(model_server, FOLDER, RECORDINGS)


def of(kind: str) -> list[Recording]:
    return [item for item in RECORDINGS if item.set == kind]


@pytest.mark.parametrize(
    ("kind", "limit"), [("short", 0.06), ("talk", 0.04), ("gaps", 0.04), ("no pause", 0.08), ("two languages", 0.06)]
)
def test_words_are_heard(answers: dict[str, dict], kind: str, limit: float) -> None:
    found = scores.of_set(of(kind), answers)
    assert found["wer"] <= limit
    assert found["deleted"] <= 0.02


def test_nothing_is_made_up(answers: dict[str, dict]) -> None:
    assert scores.of_set(of("nothing"), answers)["made_up"] == 0
    for item in of("nothing"):
        assert answers[item.name]["segments"] == []
        assert answers[item.name]["words"] == []


def test_languages_are_told(answers: dict[str, dict]) -> None:
    assert scores.languages_right(of("unlabelled"), answers) == 1


def test_words_and_segments_are_timed(answers: dict[str, dict]) -> None:
    errors = scores.time_errors([item for item in RECORDINGS if item.words], answers)
    assert errors["word_median"] <= 0.060
    assert errors["words_within_200_ms"] >= 0.95
    assert errors["segment_median"] <= 0.100


def test_all_speech_is_covered_and_times_rise(answers: dict[str, dict]) -> None:
    for item in RECORDINGS:
        answer = answers[item.name]
        assert answer["coverage"] == 1
        assert answer["uncovered"] == []
        times = [time for word in answer["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert all(0 <= time <= answer["duration"] + 0.01 for time in times)
        assert len(answer["words"]) == len(answer["text"].split())
