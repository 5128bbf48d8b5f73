"""Word errors, beside jiwer's."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.bench.words import errors, plain

TEXTS = st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("reference", "recognized", "wrong"),
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
def test_errors_are_counted(reference: str, recognized: str, wrong: int) -> None:
    assert errors(reference, recognized) == (wrong, len(plain(reference)))


@given(TEXTS.filter(bool), TEXTS)
def test_they_are_those_of_jiwer(reference: str, recognized: str) -> None:
    out = jiwer.process_words(reference, recognized)
    assert errors(reference, recognized)[0] == out.substitutions + out.deletions + out.insertions
