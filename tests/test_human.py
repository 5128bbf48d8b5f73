"""The benchmark on human speech: what counts as a word, rates, verdicts, the page; with results made up."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("num2words", reason="`make quality` installs it")

from benchmarks.human import laid
from benchmarks.human.clips import Clip, shipped
from benchmarks.human.page import page
from benchmarks.human.report import Found, verdicts
from benchmarks.human.scores import difference, errors, words
from benchmarks.human.systems import OURS, Result
from benchmarks.human.times import edge_errors, median


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


def test_of_several_languages_the_one_that_fits_best_counts() -> None:
    clip = Clip("a", "languages", "en+es", "Press 3. Marque 3.", Path("a"))
    assert errors([clip], {"a": "press 3 marque 3"}).tolist() == [[4, 0, 0, 0]]
    assert errors([clip], {"a": "press three marque tres"}).tolist() == [[4, 1, 0, 0]]


def row(text: str, language: str = "english") -> Result:
    return {"text": text, "language": language, "seconds": 1.0}


def test_rates_verdicts_and_page() -> None:
    clips = shipped()[:3]
    right = {clip.name: row(clip.text) for clip in clips}
    wrong = {**right, clips[0].name: row("", "german")}
    found = Found(clips, {OURS: right, "peer": wrong})
    assert found.rates[OURS] == {"lj": 0, "all": 0}
    assert found.rates["peer"]["all"] > 0
    assert (found.right(OURS), found.right("peer")) == (3, 2)
    lines = list(verdicts(found, named=False))
    assert [line.split()[0] for line in lines] == ["PASS", "PASS", "95", "PASS"]
    low, high = difference(errors(clips, found.texts(OURS)), errors(clips, found.texts("peer")))
    assert low <= high <= 0
    worse = list(verdicts(Found(clips, {OURS: wrong, "peer": right}), named=False))
    assert [line.split()[0] for line in worse] == ["FAIL", "FAIL", "95", "FAIL"]
    texts = {system: found.texts(system) for system in found.results}
    made = page(found.sets, found.rates, found.speeds, clips, texts, lines)
    assert made.count("<audio") == 1  # of the clip where they differ


def test_a_system_may_lack_a_set_and_silence_has_no_words() -> None:
    clips = [*shipped()[:1], Clip("n", "nothing", "", "", shipped()[0].path)]
    ours = {clips[0].name: row(clips[0].text), "n": row("Thank you.")}
    found = Found(clips, {OURS: ours, "peer": {"n": row("")}})
    assert found.sets == ["lj", "all"]
    assert found.rates["peer"] == {}
    assert (found.made_up(OURS), found.made_up("peer")) == (2, 0)


def test_phrases_are_cut_at_clear_pauses_and_their_edges_are_known(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(laid.RATE) / laid.RATE).astype(np.float32)
    short, long = np.zeros(laid.RATE // 10, np.float32), np.zeros(laid.RATE // 2, np.float32)
    found = laid.phrases_of(np.concatenate([long, tone, short, tone, long, tone]))
    seconds = [len(phrase) / laid.RATE - 2 * laid.MARGIN for phrase in found]
    assert seconds == pytest.approx([2.1, 1.0], abs=0.02)
    (timed, *_) = laid.timed(shipped(), tmp_path)
    for start, end in timed.phrases:
        assert 0 < start < end
    words = [{"word": "a", "start": start, "end": end} for start, end in timed.phrases]
    assert edge_errors([timed], {timed.name: {"words": words}}) == [0.0] * 2 * len(words)
    assert edge_errors([timed], {timed.name: {"words": []}}) == [1.0] * 2 * len(words)
    late = [{**word, "start": word["start"] + 0.1} for word in words]
    assert median(edge_errors([timed], {timed.name: {"words": late}})) == pytest.approx(50)


@pytest.mark.parametrize("kind", laid.KINDS)
def test_what_is_no_speech_is_made_alike_each_time(kind: str) -> None:
    once, again = (laid.noise(kind, 1.3, random.Random(5)) for _ in range(2))
    assert np.array_equal(once, again)
    assert len(once) == int(1.3 * laid.RATE)
    assert np.abs(once).max() <= 1
