"""Word errors, beside jiwer's."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.bench.words import errors, plain

TEXTS = st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("one two three", "one two three", 0),
        ("one two three", " One, two three.", 0),
        ("one two three", "one three", 1),
        ("one two three", "one two two three", 1),
        ("one two three", "one too three", 1),
        ("one two three", "", 3),
        ("", "one two", 2),
        ("öffne fenster", "Öffne Fenster!", 0),
    ],
)
def test_errors_are_counted(said: str, heard: str, wrong: int) -> None:
    assert errors(said, heard) == (wrong, len(plain(said)))


@given(TEXTS.filter(bool), TEXTS)
def test_they_are_those_of_jiwer(said: str, heard: str) -> None:
    out = jiwer.process_words(said, heard)
    assert errors(said, heard)[0] == out.substitutions + out.deletions + out.insertions
