"""A small slice of `make quality` on the live server, and its sums on answers whose figures are known."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import pytest

from benchmarks.quality import ours, report, scores
from benchmarks.quality.recordings import Recording

SLICE = Path(__file__).parent / "audio" / "quality"  # written by tests/make_quality.py
WORDS = [("one", 1.0, 1.3), ("write", 1.3, 1.6), ("three", 2.0, 2.4), ("four", 2.4, 2.8)]
SAID = Recording("a.wav", "talk", "en", ["en"], WORDS, [(1.0, 1.6), (2.0, 2.8)], 3.0)
QUIET = Recording("b.wav", "nothing", None, [], [], [], 3.0)


def heard(text: str, **more: object) -> dict[str, object]:
    return {"text": text, "seconds": 1.0, "language": "english", **more}


# ---- the sums ---------------------------------------------------------------------------------------


def test_errors_are_counted_by_kind() -> None:
    found = scores.of_set([SAID], {"a.wav": heard("One, right. three five six")})
    assert (found["wer"], found["deleted"], found["inserted"]) == (0.5, 0, 0.25)
    assert scores.of_set([SAID], {"a.wav": heard("one write four")})["deleted"] == 0.25
    assert scores.of_set([QUIET], {"b.wav": heard("Thank you.")})["made_up"] == 2


def test_mistakes_have_their_place() -> None:
    (mistake,) = scores.mistakes([SAID], {"a.wav": heard("one write four")})
    assert (mistake["kind"], mistake["said"], mistake["at"]) == ("delete", "three", 2.0)
    assert mistake["between"] == "one right _ four"
    (mistake,) = scores.mistakes([QUIET], {"b.wav": heard("you")})
    assert mistake["heard"] == "you"
    assert list(scores.mistakes([SAID, QUIET], {"b.wav": heard("you")})) == [mistake]  # a.wav was not asked


def test_times_are_held_against_the_words_they_belong_to() -> None:
    words = [{"word": " one,", "start": 1.1, "end": 1.3}, {"word": "four", "start": 2.4, "end": 3.2}]
    segments = [{"text": " one", "start": 1.05, "end": 1.35}, {"text": " four", "start": 2.0, "end": 2.8}]
    found = scores.time_errors([SAID], {"a.wav": heard("one four", words=words, segments=segments)})
    assert found["word_edges"] == found["segment_edges"] == 4
    assert found["word_median"] == pytest.approx(0.05)
    assert found["words_within_200_ms"] == 0.75
    assert found["segment_median"] == pytest.approx(0.05)
    assert scores.time_errors([SAID], {"a.wav": heard("nothing of it")}) == {}


def test_checks_name_the_best_peer_and_what_failed() -> None:
    answers: report.Results = {
        report.SELF: {"a.wav": heard("one write four"), "b.wav": heard("")},
        "good": {"a.wav": heard("one write three four"), "b.wav": heard("you")},
        "broken": {"failed": "no such package"},
        "asked for one": {"b.wav": heard("")},
    }
    figures = report.figures_of([SAID, QUIET], answers)
    lines = report.checks(figures, {"language_right": 1.0}, {"words_cost": "no server"})
    assert set(figures["talk"]) == {report.SELF, "good"}
    assert lines == [
        ("word error rate, talk", "25.00%", "at most 0.00%, of good", False),
        ("words deleted, talk", "25.00%", "at most 0.50%", False),
        ("words where nobody spoke", "0", "0", True),
        ("unlabelled files in the right language", "1", "at least 0.98", True),
        ("wall time with word timestamps over without", "failed: no server", "at most 1.35", False),
    ]


# ---- the slice --------------------------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.timeout(600)  # where it runs first, it waits for the model to load
def test_the_slice_is_heard_right(model_server: str) -> None:
    recordings = [Recording(**row) for row in json.loads((SLICE / "recordings.json").read_text())]
    answers = ours.transcribe_all(model_server, SLICE, recordings)
    extra = scores.time_errors(recordings, answers)
    extra["language_right"] = scores.languages_right(ours.unlabelled(recordings), answers)
    for kind, group in groupby(recordings, key=lambda item: item.set):
        found = scores.of_set(list(group), answers)
        assert found.get("wer", 0.0) <= 0.04, (kind, found, list(scores.mistakes(recordings, answers)))
    lines = report.checks(report.figures_of(recordings, {report.SELF: answers}), extra, {})
    assert [line for line in lines if not line[-1]] == []
    assert all(answer["coverage"] > 0.98 for answer in answers.values())
