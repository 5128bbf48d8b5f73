"""A small slice of `make quality` on the live server, and its sums on results whose figures are known."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import pytest

from benchmarks.quality import ours, report, scores
from benchmarks.quality.recordings import Recording

SLICE = Path(__file__).parent / "audio" / "quality"  # written by tests/make_quality.py
WORDS = [("one", 1.0, 1.3), ("write", 1.3, 1.6), ("three", 2.0, 2.4), ("four", 2.4, 2.8)]
SPOKEN = Recording("a.wav", "talk", "en", ["en"], WORDS, [(1.0, 1.6), (2.0, 2.8)], 3.0)
QUIET = Recording("b.wav", "nothing", None, [], [], [], 3.0)


def recognized(text: str, **more: object) -> dict[str, object]:
    return {"text": text, "seconds": 1.0, "language": "english", **more}


# ---- the sums ---------------------------------------------------------------------------------------


def test_errors_are_counted_by_kind() -> None:
    found = scores.of_set([SPOKEN], {"a.wav": recognized("One, right. three five six")})
    assert (found["wer"], found["deleted"], found["inserted"]) == (0.5, 0, 0.25)
    assert scores.of_set([SPOKEN], {"a.wav": recognized("one write four")})["deleted"] == 0.25
    assert scores.of_set([QUIET], {"b.wav": recognized("Thank you.")})["made_up"] == 2


def test_mistakes_have_their_place() -> None:
    (mistake,) = scores.mistakes([SPOKEN], {"a.wav": recognized("one write four")})
    assert (mistake["kind"], mistake["reference"], mistake["at"]) == ("delete", "three", 2.0)
    assert mistake["between"] == "one right _ four"
    (mistake,) = scores.mistakes([QUIET], {"b.wav": recognized("you")})
    assert mistake["recognized"] == "you"
    assert list(scores.mistakes([SPOKEN, QUIET], {"b.wav": recognized("you")})) == [mistake]  # a.wav was not asked


def test_times_are_held_against_the_words_they_belong_to() -> None:
    words = [{"word": " one,", "start": 1.1, "end": 1.3}, {"word": "four", "start": 2.4, "end": 3.2}]
    segments = [{"text": " one", "start": 1.05, "end": 1.35}, {"text": " four", "start": 2.0, "end": 2.8}]
    found = scores.time_errors([SPOKEN], {"a.wav": recognized("one four", words=words, segments=segments)})
    assert found["word_edges"] == found["segment_edges"] == 4
    assert found["word_median"] == pytest.approx(0.05)
    assert found["words_within_200_ms"] == 0.75
    assert found["segment_median"] == pytest.approx(0.05)
    assert scores.time_errors([SPOKEN], {"a.wav": recognized("nothing of it")}) == {}


def test_checks_name_the_best_peer_and_what_failed() -> None:
    results: report.Results = {
        report.SELF: {"a.wav": recognized("one write four"), "b.wav": recognized("")},
        "good": {"a.wav": recognized("one write three four"), "b.wav": recognized("you")},
        "broken": {"failed": "no such package"},
        "asked for one": {"b.wav": recognized("")},
    }
    figures = report.figures_of([SPOKEN, QUIET], results)
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
def test_the_slice_is_recognized_right(model_server: str) -> None:
    recordings = [Recording(**row) for row in json.loads((SLICE / "recordings.json").read_text())]
    results = ours.transcribe_all(model_server, SLICE, recordings)
    extra = scores.time_errors(recordings, results)
    extra["language_right"] = scores.languages_right(ours.unlabelled(recordings), results)
    for kind, group in groupby(recordings, key=lambda item: item.set):
        found = scores.of_set(list(group), results)
        assert found.get("wer", 0.0) <= 0.04, (kind, found, list(scores.mistakes(recordings, results)))
    lines = report.checks(report.figures_of(recordings, {report.SELF: results}), extra, {})
    assert [line for line in lines if not line[-1]] == []
    assert all(result["coverage"] > 0.98 for result in results.values())
