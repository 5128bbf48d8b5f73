"""Windows cover the file exactly, and end in pauses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.audio.window import HOP, PAUSE_HOPS, cut, quietest
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Audio, Samples

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


def test_a_longest_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        cut(Audio(noise(10)), 0)
