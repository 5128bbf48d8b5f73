"""The best text of a beam search, put together from the steps of its beams."""

from __future__ import annotations

import math

import pytest

from endpoint.engine.beam import Step, Text, best, finished, score

NO = -math.inf


def test_a_text_is_followed_through_the_beams() -> None:
    steps = [
        [Step(0, 5, -0.1, None), Step(0, 6, -0.5, None)],
        [Step(1, 7, -0.2, None), Step(0, 8, -0.3, None)],  # the texts swap beams
        [Step(0, 9, -0.1, -0.25), Step(1, 9, -0.1, -2.0)],
    ]
    ended = finished(steps, 2)
    assert ended == [Text((6, 7), (-0.5, -0.2), -0.25), Text((5, 8), (-0.1, -0.3), -2.0)]
    assert best(steps, 2, None) == ended[0]


def test_those_that_did_not_end_are_taken_where_too_few_did() -> None:
    steps = [
        [Step(0, 5, -0.1, None), Step(0, 6, -0.5, None), Step(0, 7, -0.9, None)],
        [Step(0, 8, -0.1, -3.0), Step(1, 8, -0.3, None), Step(2, 8, NO, None)],
    ]
    found = finished(steps, 3)
    assert [(text.ids, text.ended) for text in found] == [((5,), -3.0), ((5, 8), None), ((6, 8), None)]
    assert best(steps, 3, None).ids == (5, 8)


def test_lengths_are_weighed() -> None:
    short, long = Text((1, 2), (-0.5, -0.5), -0.2), Text(tuple(range(10)), (-0.2,) * 10, -0.5)
    assert score(short, None) == pytest.approx(-1.2 / 2)
    assert score(long, None) == pytest.approx(-2.5 / 10)
    assert score(long, 0.0) == pytest.approx(-2.5)
    assert score(long, 1.0) == pytest.approx(-2.5 / (15 / 6))
    assert max([short, long], key=lambda text: score(text, 0.0)) is short
    assert max([short, long], key=lambda text: score(text, None)) is long


def test_a_search_that_broke_off_is_no_text() -> None:
    with pytest.raises(ValueError, match="torn apart"):
        best([[Step(-1, 0, NO, None), Step(0, 5, -0.1, None)]], 2, None)
