"""The benchmark on human speech: what counts as a word, rates, verdicts, the page; with results made up."""

from __future__ import annotations

import pytest

pytest.importorskip("num2words", reason="`make quality` installs it")

from benchmarks.human.__main__ import OURS, _verdicts
from benchmarks.human.clips import shipped
from benchmarks.human.report import page
from benchmarks.human.scores import difference, errors, rate, words


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("es", "Marque 3.", "marque tres"),
        ("fr", "N’appuyez pas", "n'appuyez pas"),
        ("ru", "Ещё раз", "еще раз"),
        ("en", "Don't!", "dont"),
    ],
)
def test_matters_of_taste_are_no_errors(language: str, one: str, other: str) -> None:
    assert words(one, language) == words(other, language)


def test_accents_count() -> None:
    assert words("él", "es") != words("el", "es")


def test_rates_verdicts_and_page() -> None:
    clips = shipped()[:3]
    right = {clip.name: clip.text for clip in clips}
    wrong = {**right, clips[0].name: ""}
    counts = {OURS: errors(clips, right), "peer": errors(clips, wrong)}
    rates = {name: {"lj": rate(table), "all": rate(table)} for name, table in counts.items()}
    assert rates[OURS]["all"] == 0 < rates["peer"]["all"]
    low, high = difference(counts[OURS], counts["peer"])
    assert low <= high <= 0
    found = list(_verdicts(["lj", "all"], rates, counts, {OURS: 3, "peer": 2}, named=False))
    assert [line.split()[0] for line in found] == ["PASS", "PASS", "95", "PASS"]
    worse = list(
        _verdicts(["lj", "all"], {OURS: rates["peer"], "peer": rates[OURS]}, counts, {OURS: 1, "peer": 2}, False)
    )
    assert [line.split()[0] for line in worse] == ["FAIL", "FAIL", "95", "FAIL"]
    made = page(["lj", "all"], rates, {OURS: 2.0, "peer": 1.0}, clips, {OURS: right, "peer": wrong}, found)
    assert made.count("<audio") == 1  # of the clip where they differ
