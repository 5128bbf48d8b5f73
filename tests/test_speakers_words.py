"""Words get the speaker whose turns they are in."""

from __future__ import annotations

from endpoint.speakers.turns import Turn
from endpoint.speakers.words import label_words
from endpoint.types import Word


def labels(turns: list[Turn], *times: tuple[int, int]) -> tuple[str | None, ...]:
    return label_words([Word(" w", start, end) for start, end in times], turns)


def test_most_overlap_decides() -> None:
    turns = [Turn(0.0, 1.0, "A"), Turn(1.0, 2.0, "B")]
    assert labels(turns, (0, 500), (700, 1200), (900, 1600), (1500, 1900)) == ("A", "A", "B", "B")


def test_turns_of_one_speaker_add_up() -> None:
    turns = [Turn(0.0, 1.0, "A"), Turn(0.9, 1.3, "B"), Turn(1.2, 2.0, "A")]
    assert labels(turns, (700, 1500)) == ("A",)


def test_equal_overlap_stays_with_the_speaker_before() -> None:
    turns = [Turn(0.0, 3.0, "A"), Turn(1.0, 5.0, "B"), Turn(4.0, 6.0, "A")]
    assert labels(turns, (0, 500), (1500, 2000), (3500, 3900), (4200, 4800), (5500, 5700)) == ("A", "A", "B", "B", "A")


def test_a_word_between_turns_gets_the_nearest() -> None:
    turns = [Turn(1.0, 2.0, "A"), Turn(4.0, 5.0, "B")]
    assert labels(turns, (0, 500), (2200, 2600), (3500, 3900), (9000, 9500)) == ("A", "A", "B", "B")
    assert labels(turns, (2000, 4000)) == ("A",)


def test_the_end_of_a_long_turn_counts_though_others_began_after_it() -> None:
    turns = [Turn(0.0, 10.0, "A"), Turn(1.0, 2.0, "B"), Turn(20.0, 21.0, "C")]
    assert labels(turns, (8000, 8500), (11000, 11500)) == ("A", "A")


def test_a_word_without_length_is_in_its_turn() -> None:
    turns = [Turn(0.0, 1.0, "A"), Turn(1.5, 4.0, "B"), Turn(5.0, 6.0, "C")]
    assert labels(turns, (2000, 2000), (4900, 4900)) == ("B", "C")


def test_without_turns_nobody_is_named() -> None:
    assert labels([], (0, 500), (500, 900)) == (None, None)
    assert labels([Turn(0.0, 1.0, "A")]) == ()
