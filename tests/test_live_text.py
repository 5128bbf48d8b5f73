"""What of a turn's text was not sent before."""

from __future__ import annotations

import pytest

from endpoint.live.text import LAST, tail


@pytest.mark.parametrize(
    ("sent", "whole", "rest"),
    [
        ("", "Hello there.", "Hello there."),
        ("Hello", "Hello there.", " there."),
        ("hello, there", "Hello there.", ""),
        ("Hello their", "Hello there, friend.", " friend."),
        ("Hello and", "Hello there, friend.", " friend."),
        ("Hello", "", ""),
        ("no", "no no no", " no no"),
        ("今日は", "今日はいい天気", "いい天気"),
        ("Yes", "Completely different", " different"),
    ],
)
def test_tail(sent, whole, rest):
    assert tail(sent, whole) == rest


def test_a_long_turn_is_compared_at_its_end():
    whole = [f"w{k}" for k in range(5 * LAST)]
    sent = " ".join(whole[:200])
    assert tail(sent, " ".join(whole)) == " " + " ".join(whole[200:])
    assert tail(" ".join(whole), " ".join(whole)) == ""


def test_a_word_too_much_at_the_beginning_does_not_shift_the_end():
    whole = [f"w{k}" for k in range(4 * LAST)]
    sent = ["extra", *whole[:150]]
    assert tail(" ".join(sent), " ".join(whole)) == " " + " ".join(whole[150:])
