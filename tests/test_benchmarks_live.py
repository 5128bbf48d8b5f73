"""How live servers are compared: what of a recording's words a client has seen, and when."""

from __future__ import annotations

import pytest

from benchmarks.live.shown import Shown, Spoken, lags

WORDS = [
    Spoken("One", 0.0, 0.5, first=True),
    Spoken("two,", 0.5, 1.0),
    Spoken("three.", 1.0, 1.5),
    Spoken("Four", 3.0, 3.5, first=True),
]


def test_words_count_from_when_they_are_seen_first() -> None:
    seen = [Shown(1.0, "", "one"), Shown(2.0, "one two", "tree"), Shown(2.5, "One two", "three")]
    found = lags(WORDS, [*seen, Shown(5.0, "one two three four")])
    assert found.shown == pytest.approx([0.5, 1.0, 1.0, 1.5])
    assert found.settled == pytest.approx([1.5, 1.0, 3.5, 1.5])
    assert found.first == pytest.approx([1.0, 2.0])
    assert (found.spoken, found.back) == (4, 1)
    assert lags(WORDS, [Shown(2.0, "one", "four"), Shown(4.0, "one two four")]).back == 0


def test_a_word_is_not_seen_before_it_is_spoken() -> None:
    found = lags(WORDS, [Shown(0.4, "one two three four"), Shown(1.2, "one two three four")])
    assert found.shown == pytest.approx([-0.1, 0.2, -0.3])
    found = lags(WORDS, [Shown(0.4, "one four"), Shown(4.0, "one two three four")])
    assert len(found.shown) == 4


def test_words_that_never_come() -> None:
    found = lags(WORDS, [Shown(6.0, "four")])
    assert (len(found.settled), found.spoken, found.first) == (1, 4, [3.0])
    assert lags(WORDS, []).settled == []
