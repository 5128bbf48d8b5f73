"""Times of the file: rising, inside their windows, whatever times the model gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.options import Options, Task
from endpoint.text.assemble import assemble, decide_language, language_shares
from endpoint.types import SAMPLE_RATE, Hypothesis, Piece, Window

SILENT = {"no_speech_prob": 0.95, "avg_logprob": -2.0}


def window(start_seconds: float, seconds: float) -> Window:
    return Window(int(start_seconds * SAMPLE_RATE), np.zeros(int(seconds * SAMPLE_RATE), np.int16))


def recognized(at: Window, *pieces: tuple[int, int | None, str], **changes: object) -> Hypothesis:
    made = tuple(Piece(start, end, (50_365, 7, 50_400), text) for start, end, text in pieces)
    tokens = tuple(token for piece in made for token in piece.tokens)
    return replace(Hypothesis(at, tokens, made, "en", {"en": 1.0}, 0.1, -0.2, 0.0, input_tokens=3), **changes)


def times(*hypotheses: Hypothesis) -> list[tuple[int, int]]:
    return [(s.start_ms, s.end_ms) for s in assemble(hypotheses, Options(), 60_000).segments]


def test_segments_stand_where_their_windows_do() -> None:
    first = recognized(window(0, 30), (0, 2000, " one"), (2500, 4000, " two"))
    second = recognized(window(28.5, 20), (100, 1100, " three"), temperature=0.4, language="de")
    made = assemble([first, second], Options(), 48_500)
    assert [(s.start_ms, s.end_ms) for s in made.segments] == [(0, 2000), (2500, 4000), (28_600, 29_600)]
    assert [s.id for s in made.segments] == [0, 1, 2]
    assert [s.seek for s in made.segments] == [0, 0, 2850]
    assert made.text == "one two three"
    last = made.segments[-1]
    assert (last.temperature, last.language, last.tokens) == (0.4, "de", (50_365, 7, 50_400))
    assert (made.task, made.duration_ms) == (Task.TRANSCRIBE, 48_500)


def test_an_open_end_is_the_windows_and_nothing_passes_it() -> None:
    assert times(recognized(window(5, 10), (1000, None, " a"))) == [(6000, 15_000)]
    assert times(recognized(window(5, 10), (1000, 29_980, " a"))) == [(6000, 15_000)]


def test_a_piece_past_the_end_takes_one_step() -> None:
    assert times(recognized(window(0, 5), (6000, 7000, " a"))) == [(4980, 5000)]


def test_a_piece_without_length_does_not_swallow_what_follows() -> None:
    assert times(recognized(window(0, 30), (5000, 5000, " a"), (6000, 7000, " b"))) == [(5000, 5020), (6000, 7000)]


edges = st.integers(0, 1500).map(lambda step: step * 20)
piece_lists = st.lists(st.tuples(edges, st.none() | edges, st.sampled_from([" a", " b c"])), max_size=5)


@given(st.lists(st.tuples(st.integers(1, 480_000), piece_lists), max_size=5))
def test_times_rise_and_stay_inside_whatever_the_model_gives(
    parts: list[tuple[int, list[tuple[int, int | None, str]]]],
):
    hypotheses, at = [], 0
    for count, pieces in parts:
        hypotheses.append(recognized(Window(at, np.broadcast_to(np.int16(0), count)), *pieces))
        at += count
    made = assemble(hypotheses, Options(), at * 1000 // SAMPLE_RATE)
    flat = [moment for segment in made.segments for moment in (segment.start_ms, segment.end_ms)]
    assert flat == sorted(flat)
    assert all(0 <= moment <= (at + 8) * 1000 // SAMPLE_RATE for moment in flat)
    assert [s.text for s in made.segments] == [text for _, pieces in parts for _, _, text in pieces]


def test_silent_windows_give_no_text_but_are_counted() -> None:
    made = assemble([recognized(window(0, 2), (0, 1000, " Thank you."), **SILENT)], Options(), 2000)
    assert made.segments == ()
    assert (made.usage.audio_tokens, made.usage.text_tokens, made.usage.output_tokens) == (100, 3, 3)


def test_no_windows_give_an_empty_transcript_that_names_a_language() -> None:
    made = assemble([], Options(), 0)
    assert (made.text, made.segments) == ("", ())
    assert (made.language, made.language_probability) == ("en", 0.0)


def test_a_language_that_was_given_is_the_files() -> None:
    assert decide_language([recognized(window(0, 1))], Options(language="de")) == ("de", 1.0)


def test_the_files_language_is_weighed_by_speech() -> None:
    long = recognized(window(0, 30), language_probabilities={"de": 0.8, "nl": 0.2})
    short = recognized(window(30, 3), language_probabilities={"en": 1.0})
    quiet = recognized(window(33, 30), language_probabilities={"en": 1.0}, no_speech_prob=1.0)
    language, probability = decide_language([long, short, quiet], Options())
    assert language == "de"
    assert probability == pytest.approx(0.8 * 30 / 33, abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 480_000), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6))
def test_shares_are_probabilities(parts: list[tuple[int, float, float]]) -> None:
    hypotheses = [
        recognized(
            Window(0, np.broadcast_to(np.int16(0), n)),
            no_speech_prob=quiet,
            language_probabilities={"en": p, "de": 1 - p},
        )
        for n, quiet, p in parts
    ]
    shares = language_shares(hypotheses)
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share >= 0 for share in shares.values())
