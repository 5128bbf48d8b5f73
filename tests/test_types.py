"""The nouns: units, and views that carry where they are in the file."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, is_dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint import types
from endpoint.options import Options, Task
from endpoint.types import (
    SAMPLE_RATE,
    TIMESTAMP_MS,
    TIMESTAMP_SAMPLES,
    WINDOW_SAMPLES,
    Audio,
    Hypothesis,
    Piece,
    Segment,
    Span,
    Transcript,
    Usage,
    Window,
    samples_to_ms,
)

SAMPLES = np.arange(2000, dtype=np.int16)


def test_constants_are_whispers() -> None:
    assert (SAMPLE_RATE, WINDOW_SAMPLES) == (16_000, 480_000)
    assert TIMESTAMP_SAMPLES * 1000 == TIMESTAMP_MS * SAMPLE_RATE


@given(st.integers(0, 10**12))
def test_samples_become_the_nearest_millisecond(samples: int) -> None:
    milliseconds = samples_to_ms(samples)
    assert isinstance(milliseconds, int)
    assert abs(milliseconds * SAMPLE_RATE - samples * 1000) * 2 <= SAMPLE_RATE
    assert samples_to_ms(samples + 1) >= milliseconds


@given(st.integers(0, 10**9))
def test_whole_milliseconds_are_exact_and_halves_round_up(milliseconds: int) -> None:
    assert samples_to_ms(milliseconds * 16) == milliseconds
    assert samples_to_ms(milliseconds * 16 + 8) == milliseconds + 1


def test_duration_and_edges_come_from_the_samples() -> None:
    assert Audio(np.zeros(24_000, np.int16)).duration_ms == 1500
    window = Window(16_000, np.zeros(8_000, np.int16))
    assert (window.start_ms, window.end_ms) == (1000, 1500)


@given(start=st.integers(0, 10**9), skip=st.integers(0, len(SAMPLES)), edges=st.lists(st.integers(0, 2000), max_size=6))
def test_the_rest_of_a_window_is_the_same_sound_at_the_same_place(start: int, skip: int, edges: list[int]) -> None:
    edges = sorted(edges)
    speech = tuple(Span(start + a, start + b) for a, b in zip(edges[::2], edges[1::2], strict=False) if a < b)
    window = Window(start, SAMPLES, speech)
    rest = window.after(start + skip)
    assert rest.start == start + skip
    assert np.array_equal(rest.samples, SAMPLES[skip:])
    assert np.shares_memory(rest.samples, SAMPLES) or skip == len(SAMPLES)
    assert rest.start + len(rest.samples) == window.start + len(window.samples)
    assert all(rest.start <= span.start < span.end for span in rest.speech)
    kept = {at for span in speech for at in range(span.start, span.end) if at >= rest.start}
    assert {at for span in rest.speech for at in range(span.start, span.end)} == kept


def piece(text: str) -> Piece:
    return Piece(0, 20, (1,), text)


def test_text_is_joined_from_its_parts() -> None:
    hypothesis = Hypothesis(Window(0, SAMPLES), (1,), (piece(" a"), piece(" b")), "en", {}, 0.0, -0.1, 0.0)
    assert hypothesis.text == " a b"
    segments = tuple(Segment(k, 0, 1, t, (), 0, 0.0, 0.0, 1.0, 0.0, "en") for k, t in enumerate((" a", " b ")))
    transcript = Transcript(Task.TRANSCRIBE, "en", 1.0, 1, segments, Usage())
    assert transcript.text == "a b"
    assert Transcript(Task.TRANSCRIBE, "en", 1.0, 1, (), Usage()).text == ""


def test_tasks_are_their_wire_names() -> None:
    assert [str(task) for task in Task] == ["transcribe", "translate"]


@pytest.mark.parametrize("noun", [n for n in vars(types).values() if is_dataclass(n)], ids=lambda noun: noun.__name__)
def test_every_noun_is_frozen(noun: type) -> None:
    assert noun.__dataclass_params__.frozen


def test_nobody_writes_into_options() -> None:
    options = Options()
    with pytest.raises(FrozenInstanceError):
        options.language = "de"  # type: ignore[misc]


def test_a_default_language_is_used_where_no_language_is_chosen() -> None:
    assert Options(words=True).spoken_in("de") == Options(language="de", words=True)
    for chosen in (Options(language="fr"), Options(languages=("fr", "en")), Options(multilingual=True)):
        assert chosen.spoken_in("de") is chosen
    assert Options().spoken_in(None) == Options()
