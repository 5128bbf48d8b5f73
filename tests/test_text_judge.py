"""Good or bad: the reference's thresholds, on either side of each."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.text.judge import believable, best, compression_ratio, is_silence, needs_fallback, repeats_itself
from endpoint.types import Hypothesis, Piece, Window

BASE = Hypothesis(
    Window(0, np.zeros(16_000, np.int16)), (1,), (Piece(0, 1000, (1,), " fine"),), "en", {"en": 1.0}, 0.01, -0.2, 0.0
)


def heard(text: str = " fine", **changes: object) -> Hypothesis:
    return replace(BASE, pieces=(Piece(0, 1000, (1,), text),), **changes)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1))
def test_the_ratio_is_the_references(text: str) -> None:
    data = text.encode()
    assert compression_ratio(text) == len(data) / len(zlib.compress(data))
    assert compression_ratio(text) > 0


def test_repetition_compresses_and_no_text_is_fine() -> None:
    assert compression_ratio("") == 0.0
    assert compression_ratio(" and then" * 30) > 2.4 > compression_ratio(" and then he went home to his wife")


@pytest.mark.parametrize(
    ("no_speech", "logprob", "silent"),
    [(0.61, -1.01, True), (0.6, -1.01, False), (0.61, -1.0, False), (0.99, -0.1, False), (0.1, -5.0, False)],
)
def test_silence_needs_both_signs(no_speech: float, logprob: float, silent: bool) -> None:
    assert is_silence(heard(no_speech_prob=no_speech, avg_logprob=logprob)) is silent


@pytest.mark.parametrize(
    ("hypothesis", "again"),
    [
        (heard(), False),
        (heard(avg_logprob=-1.0), False),
        (heard(avg_logprob=-1.01), True),
        (heard(" again" * 60), True),
        (heard(complete=False), True),
        (heard(" again" * 60, no_speech_prob=0.9, avg_logprob=-2.0), False),  # silence is not tried again
        (replace(BASE, pieces=()), False),
    ],
)
def test_what_is_decoded_again(hypothesis: Hypothesis, again: bool) -> None:
    assert needs_fallback(hypothesis) is again


def test_the_best_is_the_surest_that_does_not_repeat_itself() -> None:
    loop, unsure, surer = heard(" again" * 60, avg_logprob=-0.1), heard(avg_logprob=-3.0), heard(avg_logprob=-1.5)
    assert best([loop, unsure, surer, loop]) is surer
    assert repeats_itself(loop)
    other = heard(" again" * 50)
    assert best([loop, other]) is other  # the highest temperature, if all repeat themselves


def said(*pieces: tuple[int, int | None, str], seconds: float = 10.0) -> Hypothesis:
    window = Window(5_000, np.zeros(int(seconds * 16_000), np.int16))
    return replace(BASE, window=window, pieces=tuple(Piece(start, end, (1,), text) for start, end, text in pieces))


def texts(hypothesis: Hypothesis) -> list[str]:
    return [piece.text for piece in believable(hypothesis).pieces]


def test_a_stutter_faster_than_speech_is_said_once() -> None:
    stutter = said(
        (0, 900, " Bild, Licht"), (900, 960, " bild licht"), (960, 1_040, " bild licht"), (1_200, None, " x")
    )
    assert texts(stutter) == [" Bild, Licht", " x"]
    assert texts(said((9_000, 9_900, " bild licht"), (9_900, None, " bild licht"))) == [" bild licht"]


def test_what_is_said_again_at_a_speakers_pace_stays() -> None:
    again = said(*((k * 200, k * 200 + 180, " no") for k in range(5)))
    assert believable(again) is again
    quick = said((0, 500, " no no no"), (500, 620, " no no no"))  # 6 letters in 120 ms
    assert believable(quick) is quick
    other = said((0, 500, " bild licht"), (500, 540, " und so weiter"))  # timestamps may be bad where the text is not
    assert believable(other) is other
    marks = said((0, 500, " ..."), (500, 520, " ..."))
    assert believable(marks) is marks


def test_nothing_is_said_behind_the_sound() -> None:
    assert texts(said((0, 9_500, " all of it"), (11_000, 12_000, " thank you"), (12_000, None, " bye"))) == [
        " all of it"
    ]
    late = said((0, 9_500, " all"), (10_900, None, " of it"))  # a second may be the timestamps' error
    assert believable(late) is late
    alone = said((1_000, 1_500, " yes"), seconds=0.0)  # as the text of a window that would have none
    assert believable(alone) is alone
