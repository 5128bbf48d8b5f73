"""One gain for a recording: usual levels stay as they are, quiet and loud ones become usual."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from endpoint.audio.worker.level import MOST_RAISED, WANTED, Leveller, raised
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE

RNG = np.random.default_rng(3)
SPEECH = (RNG.normal(0, 1, SAMPLE_RATE * 4) * np.repeat(RNG.uniform(0.05, 1, 40), SAMPLE_RATE // 10)).astype(np.float32)


@pytest.fixture
def file() -> Iterator[int]:
    descriptor = os.memfd_create("level")
    yield descriptor
    os.close(descriptor)


def level(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples.astype(np.float64) / PCM_FULL_SCALE)))


def written(file: int, *parts: np.ndarray) -> tuple[np.ndarray, float]:
    leveller = Leveller(file)
    for part in parts:
        leveller.feed(part)
    gain = leveller.finish()
    return np.frombuffer(os.pread(file, leveller.count * 2, 0), np.int16), gain


def at(decibels: float) -> np.ndarray:
    return (SPEECH * PCM_FULL_SCALE * 10 ** (decibels / 20)).astype(np.float32)


@pytest.mark.parametrize("decibels", [-20, -30, -40])
def test_usual_levels_stay_as_they_are(decibels: float, file: int) -> None:
    sound = at(decibels)
    samples, gain = written(file, *np.split(sound, 8))
    assert gain == 1.0
    np.testing.assert_allclose(samples, sound, atol=0.6)


def test_integers_of_a_usual_level_are_not_touched(file: int) -> None:
    sound = np.rint(at(-25)).astype(np.int16)
    samples, gain = written(file, sound)
    assert gain == 1.0
    assert np.array_equal(samples, sound)


@pytest.mark.parametrize("decibels", [-60, -70, -80, -100, 20, 40, 60])
def test_others_become_usual_without_loss(decibels: float, file: int) -> None:
    sound = at(decibels)
    samples, gain = written(file, *np.split(sound, 8))
    assert abs(level(samples) - WANTED) < 6
    likeness = np.corrcoef(samples, sound)[0, 1]
    assert likeness > 0.9999
    assert gain == pytest.approx(np.dot(samples, sound) / np.dot(sound, sound), rel=1e-3)


def test_a_little_above_full_scale_is_scaled_down_not_clipped(file: int) -> None:
    sound = at(-20)
    sound *= 1.4 * PCM_FULL_SCALE / np.abs(sound).max()
    samples, gain = written(file, sound)
    assert gain < 1
    assert np.corrcoef(samples, sound)[0, 1] > 0.99999


def test_a_click_does_not_decide_the_level(file: int) -> None:
    sound = at(-25)
    sound[1000:1004] = 300 * PCM_FULL_SCALE
    samples, gain = written(file, *np.split(sound, 8))
    assert gain == 1.0
    assert abs(level(np.delete(samples, slice(900, 1100))) - level(at(-25))) < 1


def test_a_recording_of_few_words_and_much_quiet_is_a_usual_one(file: int) -> None:
    noise = (RNG.normal(0, 8, 60 * SAMPLE_RATE)).astype(np.float32)
    sound = np.concatenate([noise, at(-25)[: 2 * SAMPLE_RATE], noise])
    samples, gain = written(file, *np.split(sound, 16))
    assert gain == 1.0
    np.testing.assert_allclose(samples, sound, atol=1)


def test_a_quiet_part_keeps_its_detail_beside_a_loud_one(file: int) -> None:
    quiet, loud = at(-66), at(-20)
    samples, gain = written(file, loud, quiet)
    assert gain == 1.0
    np.testing.assert_allclose(samples[len(loud) :], quiet, atol=1)


def test_silence_says_nothing_of_the_level(file: int) -> None:
    leveller = Leveller(file)
    leveller.silence(5 * SAMPLE_RATE)
    leveller.feed(at(-70))
    assert leveller.finish() > 1
    assert leveller.count == 9 * SAMPLE_RATE
    assert not np.frombuffer(os.pread(file, 5 * SAMPLE_RATE * 2, 0), np.int16).any()


def test_nothing_but_silence_or_no_numbers(file: int) -> None:
    samples, gain = written(file, np.zeros(100, np.float32), np.full(100, np.nan, np.float32), np.zeros(0, np.int16))
    assert (len(samples), samples.any(), gain) == (200, False, 1.0)


def test_quiet_stretches_are_raised_for_voice_activity_and_usual_ones_not() -> None:
    usual, quiet, faint = (np.rint(at(decibels)).astype(np.int16) for decibels in (-25, -60, -90))
    assert raised(usual) is usual
    assert np.corrcoef(raised(quiet), quiet)[0, 1] > 0.999
    assert abs(level(raised(quiet)) - WANTED) < 6
    assert level(raised(faint)) - level(faint) == pytest.approx(MOST_RAISED, abs=0.1)
    assert not raised(np.zeros(100, np.int16)).any()
    assert len(raised(np.zeros(0, np.int16))) == 0
