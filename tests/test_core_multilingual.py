"""Windows of one language each, from looks at every few seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endpoint.audio.window import pack
from endpoint.core.multilingual import CLOSER, LOOK, course, doubtful, merged, pack_by_language
from endpoint.options import Options
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Audio, Hypothesis, Span, Window

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
    speech = phrases(19)
    audio = Audio(np.zeros(19 * 3 * SECOND, np.int16))
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


def heard(*looks: tuple[str, float]) -> list[Hypothesis]:
    """Looks by language and probability; the rest goes to the other of English and German."""
    codes = {"en": "de", "de": "en", "fr": "en"}
    return [
        replace(look(code, sure), language_probabilities={code: sure, codes[code]: 1 - sure}) for code, sure in looks
    ]


def test_an_unsure_look_follows_its_neighbours() -> None:
    assert course(heard(("en", 0.99), ("fr", 0.5), ("en", 0.9), ("en", 0.9))) == ["en"] * 4
    assert course(heard(("en", 0.99), ("en", 0.9), ("de", 0.6))) == ["en"] * 3
    assert course([]) == []


def test_what_is_sure_stands_however_short_it_is() -> None:
    assert course(heard(("en", 0.99), ("de", 0.98), ("en", 0.99))) == ["en", "de", "en"]
    assert course(heard(("de", 0.9))) == ["de"]


def test_a_change_is_where_most_speaks_for_it() -> None:
    looks = heard(("en", 0.99), ("en", 0.9), ("de", 0.55), ("en", 0.7), ("de", 0.6), ("de", 0.97), ("de", 0.99))
    assert course(looks) == ["en"] * 4 + ["de"] * 3


def test_a_look_that_is_no_speech_decides_nothing() -> None:
    tones = replace(heard(("fr", 0.99))[0], no_speech_prob=0.95)
    assert course([*heard(("en", 0.9)), tones, *heard(("en", 0.9))]) == ["en"] * 3


def test_doubtful_are_the_unsure_and_those_at_a_change() -> None:
    assert doubtful(heard(("en", 0.9), ("en", 0.9), ("en", 0.7), ("en", 0.9))) == [2]
    assert doubtful(heard(("en", 0.9), ("en", 0.9), ("de", 0.9), ("de", 0.9))) == [1, 2]
    assert doubtful(heard(("en", 0.9))) == []
    assert doubtful([]) == []


async def test_a_change_inside_a_look_is_found_in_its_parts() -> None:
    """Phrases of 1 s; a look of 5 s is heard as what most of it is."""

    class Majority(Ear):
        async def detect(self, window: Window, _: Options) -> Hypothesis:
            self.looks.append(window)
            early = sum(span.start < self.change for span in window.speech)
            return look("en" if 2 * early >= len(window.speech) else "de", 0.99, window)

    speech = phrases(40, every=int(1.2 * SECOND), length=SECOND)
    audio = Audio(np.zeros(50 * SECOND, np.int16))
    for change in range(15, 25):
        ear = Majority(change=speech[change].start)
        windows = await pack_by_language(ear, audio, speech, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
        assert [window.language for window in windows] == ["en", "de"]
        assert windows[1].speech[0] == speech[change]
        closer = [window for window in ear.looks if len(window.samples) <= CLOSER]
        assert len(closer) <= 2 * LOOK // SECOND  # of two looks, whatever the length of the recording


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
