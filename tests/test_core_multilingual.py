"""Windows of one language each, from probes of a few seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endpoint.audio.window import pack
from endpoint.core.multilingual import PART, PROBE, course, doubtful, merged, pack_by_language
from endpoint.options import Options
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Audio, Hypothesis, Span, Window

SECOND = SAMPLE_RATE


def probe(language: str, sure: float, window: Window | None = None) -> Hypothesis:
    window = window or Window(0, np.zeros(SECOND, np.int16))
    return Hypothesis(window, (), (), language, {language: sure}, 0.0, 0.0, 0.0)


class Detector:
    """Detects German from `change` samples on, English before."""

    def __init__(self, change: int) -> None:
        self.change, self.windows = change, list[Window]()

    async def detect(self, window: Window, _: Options) -> Hypothesis:
        self.windows.append(window)
        return probe("de" if window.start >= self.change else "en", 0.99, window)


def phrases(count: int, every: int = 3 * SECOND, length: int = 2 * SECOND) -> list[Span]:
    return [Span(k * every, k * every + length) for k in range(count)]


async def test_no_window_holds_two_languages() -> None:
    speech = phrases(19)
    audio = Audio(np.zeros(19 * 3 * SECOND, np.int16))
    detector = Detector(change=speech[9].start)
    windows = await pack_by_language(detector, audio, speech, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
    assert all(len(window.samples) <= PROBE for window in detector.windows)
    assert [window.language for window in windows] == ["en", "de"]
    assert [span for window in windows for span in window.speech] == speech
    assert all(window.overlap == 0 for window in windows)


async def test_a_change_inside_unbroken_speech_overlaps_so_that_it_can_be_joined() -> None:
    audio = Audio(np.random.default_rng(0).integers(-900, 900, 20 * SECOND).astype(np.int16))
    whole = [Span(0, 20 * SECOND)]
    detector = Detector(change=9 * SECOND)
    windows = await pack_by_language(detector, audio, whole, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
    first, second = windows
    assert (first.language, second.language) == ("en", "de")
    assert first.start == 0
    assert second.start + len(second.samples) == 20 * SECOND
    assert second.overlap == len(first.samples) - second.start > 0


def detected(*probes: tuple[str, float]) -> list[Hypothesis]:
    """Probes by language and probability; the other of English and German has the rest."""
    codes = {"en": "de", "de": "en", "fr": "en"}
    return [
        replace(probe(code, sure), language_probabilities={code: sure, codes[code]: 1 - sure}) for code, sure in probes
    ]


def test_an_unsure_probe_follows_its_neighbours() -> None:
    assert course(detected(("en", 0.99), ("fr", 0.5), ("en", 0.9), ("en", 0.9))) == ["en"] * 4
    assert course(detected(("en", 0.99), ("en", 0.9), ("de", 0.6))) == ["en"] * 3
    assert course([]) == []


def test_a_sure_probe_keeps_its_language_however_short() -> None:
    assert course(detected(("en", 0.99), ("de", 0.98), ("en", 0.99))) == ["en", "de", "en"]
    assert course(detected(("de", 0.9))) == ["de"]


def test_a_change_is_where_it_is_likeliest() -> None:
    probes = detected(("en", 0.99), ("en", 0.9), ("de", 0.55), ("en", 0.7), ("de", 0.6), ("de", 0.97), ("de", 0.99))
    assert course(probes) == ["en"] * 4 + ["de"] * 3


def test_a_probe_without_speech_decides_nothing() -> None:
    tones = replace(detected(("fr", 0.99))[0], no_speech_prob=0.95)
    assert course([*detected(("en", 0.9)), tones, *detected(("en", 0.9))]) == ["en"] * 3


def test_doubtful_are_the_unsure_and_those_at_a_change() -> None:
    assert doubtful(detected(("en", 0.9), ("en", 0.9), ("en", 0.7), ("en", 0.9))) == [2]
    assert doubtful(detected(("en", 0.9), ("en", 0.9), ("de", 0.9), ("de", 0.9))) == [1, 2]
    assert doubtful(detected(("en", 0.9))) == []
    assert doubtful([]) == []


async def test_a_change_inside_a_probe_is_found_in_its_parts() -> None:
    """Phrases of 1 s; the language of a probe of 5 s is that of most of it."""

    class Majority(Detector):
        async def detect(self, window: Window, _: Options) -> Hypothesis:
            self.windows.append(window)
            early = sum(span.start < self.change for span in window.speech)
            return probe("en" if 2 * early >= len(window.speech) else "de", 0.99, window)

    speech = phrases(40, every=int(1.2 * SECOND), length=SECOND)
    audio = Audio(np.zeros(50 * SECOND, np.int16))
    for change in range(15, 25):
        detector = Majority(change=speech[change].start)
        windows = await pack_by_language(detector, audio, speech, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
        assert [window.language for window in windows] == ["en", "de"]
        assert windows[1].speech[0] == speech[change]
        parts = [window for window in detector.windows if len(window.samples) <= PART]
        assert len(parts) <= 2 * PROBE // SECOND  # of two probes, whatever the length of the recording


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
    windows = await pack_by_language(Detector(10**9), audio, speech, WINDOW_SAMPLES, Options(multilingual=True))  # type: ignore[arg-type]
    plain = pack(audio, speech, WINDOW_SAMPLES)
    assert [(w.start, len(w.samples), w.speech) for w in windows] == [
        (w.start, len(w.samples), w.speech) for w in plain
    ]
    assert {window.language for window in windows} == {"en"}
