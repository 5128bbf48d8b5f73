"""The joined text of overlapping windows has every word once, in order, whatever their pieces and edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.options import Options
from endpoint.text.assemble import assemble
from endpoint.text.join import join, words_of
from endpoint.types import Hypothesis, Piece, TokenScore, Window

SECOND = 16_000


def window(start: float, end: float, overlap: float = 0) -> Window:
    return Window(int(start * SECOND), np.zeros(int((end - start) * SECOND), np.int16), (), int(overlap * SECOND))


def recognized(place: Window, *pieces: tuple[float, float | None, str], language: str = "en") -> Hypothesis:
    """Pieces as (start, end, text), in seconds of the file."""
    made = []
    for start, end, text in pieces:
        first, last = (None if t is None else round(t * 1000) - place.start_ms for t in (start, end))
        assert first is not None
        tokens = (50_365 + first // 20, *range(len(text.split())), *(() if last is None else (50_365 + last // 20,)))
        made.append(Piece(first, last, tokens, text))
    ids = tuple(token for piece in made for token in piece.tokens)
    return Hypothesis(place, ids, tuple(made), language, {language: 1.0}, 0.01, -0.2, 0.0)


def joined_text(hypotheses: list[Hypothesis]) -> str:
    return "".join(h.text for h in join(hypotheses))


FIRST, SECOND_WINDOW = window(0, 30), window(27, 50, 3)
EARLY = (0, 27, " one two three")


def test_windows_that_do_not_overlap_pass_through() -> None:
    both = [recognized(window(0, 20), (0, 9, " a b")), recognized(window(20, 40), (21, 30, " b c"))]
    assert join(both) == both
    assert join([]) == []


def test_the_seam_is_in_the_words_that_both_have() -> None:
    left = recognized(FIRST, EARLY, (27.2, 30, " four five six se"))
    right = recognized(SECOND_WINDOW, (27, 31, " or five six seven"), (31, 34, " eight"))
    assert joined_text([left, right]) == " one two three four five six seven eight"


def test_scores_are_cut_with_their_text() -> None:
    def scored(hypothesis: Hypothesis) -> Hypothesis:
        pieces = [
            replace(piece, scores=tuple(TokenScore(f" {word}".encode(), -0.5) for word in piece.text.split()))
            for piece in hypothesis.pieces
        ]
        return replace(hypothesis, pieces=tuple(pieces))

    left = scored(recognized(FIRST, EARLY, (27.2, 30, " vier fünf sechs se")))
    right = scored(recognized(SECOND_WINDOW, (27, 31, " or fünf sechs sieben"), (31, 34, " acht")))
    for hypothesis in join([left, right]):
        for piece in hypothesis.pieces:
            assert b"".join(score.data for score in piece.scores).decode() == piece.text


def test_case_and_punctuation_do_not_hinder() -> None:
    left = recognized(FIRST, EARLY, (27.2, 30, " four, Five six"))
    right = recognized(SECOND_WINDOW, (27.2, 31, " Four five. Six seven"))
    assert (
        joined_text([left, right]).casefold().replace(",", "").replace(".", "") == " one two three four five six seven"
    )


def test_where_pieces_end_nothing_is_cut() -> None:
    left = recognized(FIRST, EARLY, (27.0, 28.4, " four five"), (28.4, 30, " six se"))
    right = recognized(SECOND_WINDOW, (27.1, 28.4, " four five"), (28.4, 32, " six seven"))
    kept = join([left, right])
    assert [piece.text for h in kept for piece in h.pieces] == [" one two three", " four five", " six seven"]
    assert kept[1].pieces == (right.pieces[1],)
    assert kept[0].pieces == left.pieces[:2]


def test_repeated_words_are_matched_by_their_times() -> None:
    left = recognized(FIRST, EARLY, (27.2, 28.4, " no no"), (28.4, 29.6, " no no"))
    right = recognized(SECOND_WINDOW, (27.2, 28.4, " no no"), (28.4, 29.6, " no no"), (30, 31, " yes"))
    assert joined_text([left, right]) == " one two three no no no no yes"


def test_without_common_words_the_seam_is_the_middle_of_the_overlap() -> None:
    left = recognized(FIRST, EARLY, (27.2, 28.2, " four"), (28.8, 30, " fife"))
    right = recognized(SECOND_WINDOW, (27.0, 28, " for"), (28.8, 30, " five"), (31, 32, " six"))
    assert joined_text([left, right]) == " one two three four five six"


@pytest.mark.parametrize("side", ["left", "right"])
def test_words_that_only_one_window_has_stay(side: str) -> None:
    left = recognized(FIRST, EARLY, *([(27.2, 29.8, " four five")] if side == "left" else []))
    right = recognized(SECOND_WINDOW, *([(27.2, 29.8, " four five")] if side == "right" else []), (30.5, 32, " six"))
    assert joined_text([left, right]) == " one two three four five six"


@pytest.mark.parametrize("empty", [0, 1])
def test_a_window_without_text_takes_none_away(empty: int) -> None:
    pair = [
        recognized(FIRST, EARLY, (27.2, 29.8, " four")),
        recognized(SECOND_WINDOW, (27.2, 29.8, " four"), (30, 31, " five")),
    ]
    pair[empty] = replace(pair[empty], pieces=())
    assert joined_text(pair) == [" four five", " one two three four"][empty]


def test_a_piece_that_is_cut_keeps_its_share_of_time_and_tokens() -> None:
    left = recognized(FIRST, (24, 30, " a b c d e f"))
    right = recognized(SECOND_WINDOW, (27, 33, " d e f g h i"))
    first, second = (h.pieces[0] for h in join([left, right]))
    assert first.text + second.text == " a b c d e f g h i"
    assert first.start_ms == 24_000
    assert first.end_ms is not None
    assert abs(first.end_ms - (27_000 + second.start_ms)) <= 1
    assert second.end_ms == 6_000
    assert first.tokens == left.pieces[0].tokens[: len(first.tokens)]
    assert second.tokens == right.pieces[0].tokens[-len(second.tokens) :]


def test_languages_without_spaces() -> None:
    left = recognized(FIRST, (24, 30, "今天天气很好我们"), language="zh")
    right = recognized(SECOND_WINDOW, (27, 33, "很好我们去公园"), language="zh")
    assert joined_text([left, right]) == "今天天气很好我们去公园"
    assert [w.text for w in words_of(recognized(FIRST, (0, 4, " ที่นี่"), language="th"))] == [" ที่", "นี่"]


def test_text_with_odd_spaces_is_kept_whole() -> None:
    hypothesis = recognized(FIRST, (0, 4, "  a   b \n"))
    assert "".join(word.text for word in words_of(hypothesis)) == "  a   b \n"
    assert len(words_of(hypothesis)) == 2


def test_an_open_end_runs_to_the_seam_or_to_the_window() -> None:
    left = recognized(FIRST, EARLY, (27.2, None, " four five six"))
    right = recognized(SECOND_WINDOW, (27.2, None, " four five six seven eight"))
    kept = join([left, right])
    assert kept[0].pieces[-1].end_ms is not None
    assert kept[0].pieces[-1].end_ms <= 30_000
    assert kept[1].pieces[-1].end_ms is None


def test_continuations_of_a_window_are_joined_too() -> None:
    """Each of the two windows has a continuation."""
    left = [recognized(FIRST, EARLY), recognized(FIRST.after(int(27.1 * SECOND)), (27.2, 30, " four five six"))]
    right = [
        recognized(SECOND_WINDOW, (27.2, 28, " four")),
        recognized(SECOND_WINDOW.after(28 * SECOND), (28, 31, " five six x")),
    ]
    assert joined_text([*left, *right]) == " one two three four five six x"


WORDS = ["red", "green", "blue", "apple", "seven", "bread", "water", "letter", "monday", "sugar", "friend", "window"]


@st.composite
def overlapping(draw: st.DrawFn) -> tuple[list[str], list[Hypothesis]]:
    """Reference words, one every 0.4 s, and hypotheses of windows of 12 s that overlap by 3 s."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    words = [WORDS[k] for k in rng.integers(0, len(WORDS), 90)]
    hypotheses = []
    for number, start in enumerate(np.arange(0.0, 32, 9.0)):
        place = window(start, min(start + 12, 36), 3 if number else 0)
        first, last = int(np.ceil(start / 0.4)), int(place.end_ms / 400 + 1e-6)
        inside, pieces = list(range(first, last)), []
        while inside:
            size = int(rng.integers(1, 9))
            part, inside = inside[:size], inside[size:]
            shift = rng.uniform(-0.1, 0.1)
            text = "".join(f" {words[k]}" for k in part)
            began, ended = max(start, part[0] * 0.4 + shift), part[-1] * 0.4 + 0.4 + shift
            pieces.append((began, ended, text))
        if number:
            pieces[0] = (pieces[0][0], pieces[0][1], " uh" + pieces[0][2])  # half a word at the edge
        hypotheses.append(recognized(place, *pieces))
    return words, hypotheses


@settings(deadline=None)
@given(overlapping())
def test_nothing_is_doubled_or_lost(case: tuple[list[str], list[Hypothesis]]) -> None:
    words, hypotheses = case
    assert joined_text(hypotheses).split() == words[: len(joined_text(hypotheses).split())]
    assert len(joined_text(hypotheses).split()) >= 89
    transcript = assemble(hypotheses, Options(), 36_000)
    times = [moment for segment in transcript.segments for moment in (segment.start_ms, segment.end_ms)]
    assert times == sorted(times)
    assert transcript.text.split() == joined_text(hypotheses).split()
