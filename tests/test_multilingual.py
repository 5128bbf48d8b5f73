"""Windows of one language each, from looks at every few seconds."""

from __future__ import annotations

import numpy as np
import pytest

from endpoint.audio.window import pack
from endpoint.multilingual import LOOK, agree, merged, pack_by_language
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Audio, Hypothesis, Options, Span, Window

SECOND = SAMPLE_RATE


def look(language: str, sure: float, window: Window | None = None) -> Hypothesis:
    window = window or Window(0, np.zeros(SECOND, np.int16))
    return Hypothesis(window, (), (), language, {language: sure}, 0.0, 0.0, 0.0)


class Ear:
    """Hears German from `change` samples on, English before."""

    def __init__(self, change: int) -> None:
        self.change, self.looks = change, list[Window]()

    async def detect(self, window: Window, _: Options) -> Hypothesis:
        self.looks.append(window)
        return look("de" if window.start >= self.change else "en", 0.99, window)


def phrases(count: int, every: int = 3 * SECOND, length: int = 2 * SECOND) -> list[Span]:
    return [Span(k * every, k * every + length) for k in range(count)]


async def test_no_window_holds_two_languages() -> None:
    speech = phrases(20)
    audio = Audio(np.zeros(20 * 3 * SECOND, np.int16))
    ear = Ear(change=speech[9].start)
    windows = await pack_by_language(ear, audio, speech, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
    assert all(len(window.samples) <= LOOK for window in ear.looks)
    assert [window.language for window in windows] == ["en", "de"]
    assert [span for window in windows for span in window.speech] == speech
    assert all(window.overlap == 0 for window in windows)


async def test_a_change_inside_unbroken_speech_overlaps_so_that_it_can_be_joined() -> None:
    audio = Audio(np.random.default_rng(0).integers(-900, 900, 20 * SECOND).astype(np.int16))
    whole = [Span(0, 20 * SECOND)]
    ear = Ear(change=9 * SECOND)
    windows = await pack_by_language(ear, audio, whole, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
    first, second = windows
    assert (first.language, second.language) == ("en", "de")
    assert first.start == 0
    assert second.start + len(second.samples) == 20 * SECOND
    assert second.overlap == len(first.samples) - second.start > 0


def test_an_unsure_look_follows_neighbours_that_agree() -> None:
    heard = [look("en", 0.99), look("fr", 0.5), look("en", 0.9), look("fr", 0.95), look("en", 0.9), look("de", 0.3)]
    assert agree(heard) == ["en", "en", "en", "fr", "en", "de"]
    assert agree([]) == []


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([Span(0, 5), Span(5, 9)], [Span(0, 5), Span(5, 9)]),
        ([Span(0, 5), Span(4, 9), Span(8, 8)], [Span(0, 9)]),
    ],
)
def test_overlapping_spans_are_made_one(spans: list[Span], expected: list[Span]) -> None:
    assert merged(spans) == expected


async def test_the_speech_is_that_of_the_plain_windows() -> None:
    speech = phrases(15, every=int(2.5 * SECOND))
    audio = Audio(np.zeros(40 * SECOND, np.int16))
    windows = await pack_by_language(Ear(10**9), audio, speech, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
    plain = pack(audio, speech, WINDOW_SAMPLES)
    assert [(w.start, len(w.samples), w.speech) for w in windows] == [
        (w.start, len(w.samples), w.speech) for w in plain
    ]
    assert {window.language for window in windows} == {"en"}
