"""Probabilities to spans: Silero's hysteresis, kinder to short words, padded without overlap."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.audio.spans import SUFFIX_MS, find_spans, find_sure_spans
from endpoint.audio.vad import VoiceActivity, quantised
from endpoint.options import VadOptions
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Span
from tests.talk import make_talk

BARE = VadOptions(prefix_padding_ms=0)
SUFFIX = SUFFIX_MS * SAMPLE_RATE // 1000
unhurried = settings(deadline=None)
probabilities = st.lists(st.integers(0, 255), max_size=200).map(lambda p: np.array(p, np.uint8))
vads = st.builds(VadOptions, st.floats(0, 1), st.integers(0, 500), st.integers(0, 500))


def frames(*runs: tuple[float, int]) -> np.ndarray:
    """uint8 probabilities: so many frames of each."""
    return np.concatenate([np.full(count, round(level * 255), np.uint8) for level, count in runs])


def found(speech: np.ndarray, options: VadOptions = BARE) -> list[tuple[float, float]]:
    """Spans in frames, without the padding behind them where there is room for it."""
    spans = find_spans(speech, len(speech) * SPEECH_FRAME, options)
    return [(span.start / SPEECH_FRAME, (span.end - SUFFIX) / SPEECH_FRAME) for span in spans]


def reference(speech: np.ndarray, options: VadOptions) -> list[tuple[int, int]]:
    """The state machine of silero_vad.utils_vad, written down as a loop; frames, without padding."""
    runs, start, end = list[tuple[int, int]](), None, None
    lower = max(options.threshold - 0.15, 0.01)
    for k, byte in enumerate(speech):
        if byte >= options.threshold * 255:
            if end is not None and (k - end) * SPEECH_FRAME >= options.silence_duration_ms * SAMPLE_RATE // 1000:
                runs.append((start, end))
                start = None
            start, end = k if start is None else start, None
        elif byte < lower * 255 and start is not None and end is None:
            end = k
    if start is not None:
        runs.append((start, len(speech) if end is None else end))
    return [(a, b) for a, b in runs if b - a >= 2]


@unhurried
@given(probabilities, vads)
def test_the_hysteresis_is_silero_s(speech: np.ndarray, options: VadOptions) -> None:
    spans = find_spans(speech, len(speech) * SPEECH_FRAME, options)
    runs = reference(speech, options)
    assert len(spans) == len(runs)
    for span, (first, last) in zip(spans, runs, strict=True):
        assert span.start <= first * SPEECH_FRAME
        assert span.end >= last * SPEECH_FRAME


@unhurried
@given(probabilities, vads, st.integers(0, SPEECH_FRAME - 1))
def test_spans_are_in_order_inside_the_file_and_do_not_overlap(
    speech: np.ndarray, options: VadOptions, missing: int
) -> None:
    count = max(0, len(speech) * SPEECH_FRAME - missing)
    at = 0
    for span in find_spans(speech, count, options):
        assert at <= span.start < span.end <= count
        at = span.end


def test_speech_goes_on_between_the_thresholds_but_does_not_begin_there() -> None:
    assert found(frames((0, 9), (0.45, 9), (0.6, 9), (0.45, 9), (0.2, 20))) == [(18, 36)]
    assert found(frames((0.45, 50))) == []


def test_a_short_pause_is_part_of_the_speech() -> None:
    assert found(frames((0, 9), (1, 9), (0, 6), (1, 9), (0, 20))) == [(9, 33)]
    assert len(found(frames((0, 9), (1, 9), (0, 7), (1, 9), (0, 20)))) == 2
    assert len(found(frames((0, 9), (1, 9), (0, 7), (1, 9), (0, 20)), VadOptions(silence_duration_ms=500))) == 1


def test_a_click_is_dropped_and_the_shortest_word_kept() -> None:
    assert found(frames((0, 9), (1, 1), (0, 20))) == []
    assert found(frames((0, 9), (1, 2), (0, 20))) == [(9, 11)]


def test_padding() -> None:
    (span,) = find_spans(frames((0, 20), (1, 10), (0, 20)), 50 * SPEECH_FRAME, VadOptions())
    assert span == Span(20 * SPEECH_FRAME - 300 * 16, 30 * SPEECH_FRAME + SUFFIX)
    (span,) = find_spans(frames((1, 10)), 10 * SPEECH_FRAME - 7, VadOptions())
    assert span == Span(0, 10 * SPEECH_FRAME - 7)


def test_a_pause_too_short_for_both_paddings_is_shared() -> None:
    first, second = find_spans(frames((1, 10), (0, 8), (1, 10)), 28 * SPEECH_FRAME, VadOptions())
    pause = 8 * SPEECH_FRAME
    assert first.end == second.start == 10 * SPEECH_FRAME + pause * 200 // 500


def test_nothing_at_all() -> None:
    assert find_spans(np.zeros(0, np.uint8), 0, VadOptions()) == ()
    assert find_spans(np.zeros(9, np.uint8), 9 * SPEECH_FRAME, VadOptions()) == ()


@pytest.mark.parametrize("pauses", [(0.3, 1.2), (4.0, 8.0)])
def test_the_spans_of_a_talk_hold_every_word_of_it(pauses: tuple[float, float]) -> None:
    talk = make_talk(60, seed=9, pauses=pauses)
    with wave.open(io.BytesIO(talk.wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    activity = VoiceActivity()
    speech = quantised(np.concatenate([activity.feed(samples), activity.flush()]))
    spans = find_spans(speech, len(samples), VadOptions())
    assert len(spans) == len(talk.spans)
    for span, (start_ms, end_ms) in zip(spans, talk.spans, strict=True):
        assert span.start <= start_ms * 16
        assert span.end >= end_ms * 16
        assert span.end - span.start < (end_ms - start_ms) * 16 + 0.7 * SAMPLE_RATE


@unhurried
@given(probabilities, vads)
def test_what_is_sure_is_part_of_what_was_found(speech: np.ndarray, options: VadOptions) -> None:
    count = len(speech) * SPEECH_FRAME
    whole = find_spans(speech, count, options)
    for sure in find_sure_spans(speech, count, options):
        inside = [span for span in whole if span.start < sure.end and span.end > sure.start]
        assert sum(min(span.end, sure.end) - max(span.start, sure.start) for span in inside) == sure.end - sure.start


def test_sure_is_what_tones_do_not_reach() -> None:
    speech = frames((0, 10), (0.85, 60), (0, 20), (0.97, 30), (0.8, 5), (0.97, 10), (0, 10))
    options = VadOptions()
    assert len(find_spans(speech, len(speech) * SPEECH_FRAME, options)) == 2
    (sure,) = find_sure_spans(speech, len(speech) * SPEECH_FRAME, options)
    assert (sure.start, sure.end) == (90 * SPEECH_FRAME, 135 * SPEECH_FRAME + SUFFIX)
    wary = VadOptions(threshold=0.99)
    assert find_sure_spans(speech, len(speech) * SPEECH_FRAME, wary) == ()
