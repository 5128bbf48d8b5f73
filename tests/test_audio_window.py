"""Windows cover the file, or its speech, and end in pauses."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.audio.window import HOP, LONG_PAUSE, MARGIN, OVERLAP, PAUSE_HOPS, cut, pack, quietest, widen
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Audio, Samples, Span, Window

PAUSE = HOP * PAUSE_HOPS
unhurried = settings(deadline=None)  # the machine may be busy


def noise(count: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).integers(-8000, 8000, count).astype(np.int16)


@unhurried
@given(count=st.integers(0, 200_000), longest=st.integers(300, 60_000), seed=st.integers(0, 9))
def test_windows_cover_the_file_in_order_without_gap_or_copy(count: int, longest: int, seed: int) -> None:
    audio = Audio(noise(count, seed))
    windows = cut(audio, longest)
    position = 0
    for window in windows:
        assert window.start == position
        assert 0 < len(window.samples) <= longest
        assert np.shares_memory(window.samples, audio.samples)
        assert np.array_equal(window.samples, audio.samples[position : position + len(window.samples)])
        position += len(window.samples)
    assert position == count
    for window in windows[:-1]:
        assert len(window.samples) >= longest - longest // 3


@unhurried
@given(count=st.integers(0, 40), longest=st.integers(1, 40))
def test_the_smallest_windows_cover_the_file_too(count: int, longest: int) -> None:
    windows = cut(Audio(noise(count)), longest)
    assert [w.start for w in windows] == list(range(0, count, longest))
    assert sum(len(w.samples) for w in windows) == count


@pytest.mark.parametrize("count", [1, WINDOW_SAMPLES - 1, WINDOW_SAMPLES])
def test_what_fits_is_one_window(count: int) -> None:
    (window,) = cut(Audio(noise(count)), WINDOW_SAMPLES)
    assert (window.start, len(window.samples)) == (0, count)


@unhurried
@given(st.integers(WINDOW_SAMPLES * 2 // 3 + PAUSE, WINDOW_SAMPLES - 3 * PAUSE))
def test_the_cut_is_in_the_pause(pause: int) -> None:
    samples = noise(WINDOW_SAMPLES + SAMPLE_RATE)
    samples[pause : pause + 2 * PAUSE] = 0
    first, _ = cut(Audio(samples), WINDOW_SAMPLES)
    assert pause <= len(first.samples) <= pause + 2 * PAUSE


def test_of_equal_pauses_the_latest_is_taken() -> None:
    samples = noise(WINDOW_SAMPLES + SAMPLE_RATE)
    for start in (22 * SAMPLE_RATE, 27 * SAMPLE_RATE):
        samples[start : start + SAMPLE_RATE] = 0
    first, _ = cut(Audio(samples), WINDOW_SAMPLES)
    assert 27.5 * SAMPLE_RATE < len(first.samples) < 28 * SAMPLE_RATE


def test_full_scale_does_not_overflow() -> None:
    samples = np.full(3 * SAMPLE_RATE, -32768, np.int16)
    samples[SAMPLE_RATE : 2 * SAMPLE_RATE] = 100
    assert SAMPLE_RATE < quietest(samples) < 2 * SAMPLE_RATE


@pytest.mark.parametrize("windows", [lambda audio: cut(audio, 0), lambda audio: pack(audio, [Span(0, 9)], 0)])
def test_a_longest_below_one_is_refused(windows: Callable[[Audio], list[Window]]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        windows(Audio(noise(10)))


# With voice activity


def packed(*seconds: tuple[float, float]) -> list[tuple[float, float]]:
    """Start and end of the windows of these spans, in seconds."""
    audio = Audio(np.zeros(int(max(end for _, end in seconds) * SAMPLE_RATE), np.int16))
    spans = [Span(int(start * SAMPLE_RATE), int(end * SAMPLE_RATE)) for start, end in seconds]
    windows = pack(audio, spans, WINDOW_SAMPLES)
    assert [span for window in windows for span in window.speech] == spans
    return [(w.start / SAMPLE_RATE, (w.start + len(w.samples)) / SAMPLE_RATE) for w in windows]


layouts = st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 5_000)), max_size=30)


@unhurried
@given(layout=layouts, longest=st.integers(1, 4_000), seed=st.integers(0, 9))
def test_windows_hold_all_the_speech(layout: list[tuple[int, int]], longest: int, seed: int) -> None:
    spans, at = list[Span](), 0
    for pause, length in layout:
        spans.append(Span(at + pause, at + pause + length))
        at += pause + length
    audio = Audio(noise(at + 100, seed))
    windows = pack(audio, spans, longest)
    times = np.zeros(len(audio.samples), int)
    previous: Window | None = None
    for window in windows:
        end = window.start + len(window.samples)
        assert 0 < len(window.samples) <= longest
        assert np.shares_memory(window.samples, audio.samples)
        assert np.array_equal(window.samples, audio.samples[window.start : end])
        assert (window.speech[0].start, window.speech[-1].end) == (window.start, end)
        before = 0 if previous is None else previous.start + len(previous.samples)
        assert window.overlap == max(0, before - window.start) <= longest // 4
        assert previous is None or window.start > previous.start
        if window.overlap:  # only inside a span too long for a window
            assert any(s.end - s.start > longest and s.start < window.start and before < s.end for s in spans)
        times[window.start : end] += 1
        previous = window
    assert times.max(initial=0) <= 2
    for span in spans:
        assert times[span.start : span.end].all()


def test_no_speech_gives_no_windows() -> None:
    assert pack(Audio(noise(99)), [], 10) == []


def test_short_pauses_stay_inside_and_long_ones_are_left_out() -> None:
    assert packed((1, 3), (4, 6), (9, 12)) == [(1, 12)]
    assert packed((1, 3), (23, 25)) == [(1, 3), (23, 25)]
    end = 3 + LONG_PAUSE / SAMPLE_RATE
    assert packed((1, 3), (end, end + 1)) == [(1, end + 1)]
    assert len(packed((1, 3), (end + 0.001, end + 1))) == 2


def test_windows_are_as_few_as_can_be() -> None:
    seconds = [(k * 3.0, k * 3.0 + 2.4) for k in range(30)]  # 89.4 s, pauses of 0.6 s
    assert len(packed(*seconds)) == 3


def test_the_cut_is_in_the_long_pause() -> None:
    """A cut at 28 s would fill the first window more, but there people hardly paused."""
    assert packed((0, 10), (10.1, 20), (21.5, 28), (28.0, 40)) == [(0, 20), (21.5, 40)]
    assert packed((0, 10), (10.1, 20), (20.1, 28), (28.5, 40)) == [(0, 28), (28.5, 40)]


def test_speech_without_a_pause_is_cut_where_it_is_quiet_in_windows_that_overlap() -> None:
    samples = noise(50 * SAMPLE_RATE)
    samples[24 * SAMPLE_RATE : 24 * SAMPLE_RATE + PAUSE] = 0
    first, second = pack(Audio(samples), [Span(0, len(samples))], WINDOW_SAMPLES)
    assert second.overlap == first.start + len(first.samples) - second.start == OVERLAP
    middle = second.start + OVERLAP // 2
    assert 24 * SAMPLE_RATE <= middle <= 24 * SAMPLE_RATE + PAUSE
    assert first.overlap == 0
    assert second.speech == (Span(second.start, len(samples)),)


def test_the_rest_of_a_long_span_shares_its_window_with_what_follows() -> None:
    samples = noise(50 * SAMPLE_RATE)
    spans = [Span(0, 35 * SAMPLE_RATE), Span(36 * SAMPLE_RATE, 40 * SAMPLE_RATE)]
    windows = pack(Audio(samples), spans, WINDOW_SAMPLES)
    assert [len(window.speech) for window in windows] == [1, 2]


def test_the_rest_of_a_window_keeps_its_speech_and_what_is_left_of_its_overlap() -> None:
    window = Window(1_000, noise(900), (Span(1_000, 1_200), Span(1_500, 1_900)), overlap=300)
    rest = window.after(1_100)
    assert (rest.start, rest.overlap, rest.speech) == (1_100, 200, (Span(1_100, 1_200), Span(1_500, 1_900)))
    assert np.array_equal(rest.samples, window.samples[100:])
    rest = window.after(1_500)
    assert (rest.start, rest.overlap, rest.speech) == (1_500, 0, (Span(1_500, 1_900),))


@unhurried
@given(
    spans=st.lists(st.tuples(st.integers(1, 4 * SAMPLE_RATE), st.integers(1, 9 * SAMPLE_RATE)), min_size=1, max_size=9),
    rest=st.integers(0, 3 * SAMPLE_RATE),
)
def test_widened_windows_take_in_pauses_but_no_neighbour(spans: list[tuple[int, int]], rest: int) -> None:
    speech, at = list[Span](), 0
    for pause, length in spans:
        speech.append(Span(at + pause, at + pause + length))
        at += pause + length
    audio, longest = Audio(np.zeros(at + rest, np.int16)), 10 * SAMPLE_RATE
    narrow = pack(audio, speech, longest)
    wide = widen(audio, narrow, longest)
    assert [window.speech for window in wide] == [window.speech for window in narrow]
    position = 0
    for old, new in zip(narrow, wide, strict=True):
        end, old_end = new.start + len(new.samples), old.start + len(old.samples)
        assert position <= new.start <= old.start
        assert old_end <= end <= len(audio.samples)
        assert len(new.samples) <= longest
        assert old.start - new.start <= MARGIN
        assert end - old_end <= MARGIN
        position = end


def test_a_short_recording_is_taken_whole_and_bounds_are_kept() -> None:
    audio = Audio(noise(4 * SAMPLE_RATE))
    narrow = pack(audio, [Span(SAMPLE_RATE // 2, 3 * SAMPLE_RATE)], WINDOW_SAMPLES)
    (whole,) = widen(audio, narrow, WINDOW_SAMPLES)
    assert (whole.start, len(whole.samples)) == (0, 4 * SAMPLE_RATE)
    (bounded,) = widen(audio, narrow, WINDOW_SAMPLES, 5000, 50_000)
    assert (bounded.start, len(bounded.samples)) == (5000, 45_000)
    assert widen(audio, [], WINDOW_SAMPLES) == []
