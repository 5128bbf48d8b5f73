"""Charts are well-formed, within their frame, and escape what they are given."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.bench.chart import HEIGHT, WIDTH, Axis, Series, draw, ticks

NASTY = "<script>&\"'"


@given(st.floats(1e-6, 1e9))
def test_ticks_are_round_and_reach_the_top(most: float) -> None:
    found = ticks(most)
    assert 2 <= len(found) <= 8
    assert found[0] == 0
    assert found[-1] >= most * 0.998


@pytest.mark.parametrize("kind", ["lines", "dots", "bars"])
def test_every_point_is_in_the_picture(kind: Literal["lines", "dots", "bars"]) -> None:
    points = [(float(k), value) for k, value in enumerate((0.0, 3.0, 1_234.5))]
    axis = Axis(NASTY, ["a", NASTY, "c"]) if kind == "bars" else Axis(NASTY)
    picture = draw(NASTY, axis, Axis("y"), [Series(NASTY, points), Series("empty", [])], kind)
    root = ET.fromstring(picture)
    assert root.get("aria-label") == NASTY
    for node in root.iter():
        for name, most in (("cx", WIDTH), ("cy", HEIGHT), ("x", WIDTH), ("y", HEIGHT)):
            assert 0 <= float(node.get(name, 0)) <= most
    assert any(text.text == NASTY for text in root.iter("text"))


def test_nothing_is_drawn_of_nothing_and_zeros_are_drawn() -> None:
    assert draw("t", Axis("x"), Axis("y"), [Series("a", [])]) == ""
    ET.fromstring(draw("t", Axis("x"), Axis("y"), [Series("a", [(0.0, 0.0)])]))
