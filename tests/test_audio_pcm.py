"""Conversion to mono int16 at 16 kHz: what passes, what is mixed, what is resampled, and in what pieces."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from endpoint.audio import pcm
from endpoint.audio.pcm import Block, Converter, converted, mixed
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE
from tests.recordings import tone

RNG = np.random.default_rng(5)
TYPES = {
    "u1": lambda x: np.rint(x * 127 + 128).astype("u1"),
    "<i2": lambda x: np.rint(x * 32767).astype("<i2"),
    "<i4": lambda x: np.rint(x * (2**31 - 1)).astype("<i4"),
    "<i8": lambda x: (x * (2**62 - 1024)).astype("<i8") * 2,
    "<f4": lambda x: x.astype("<f4"),
    "<f8": lambda x: x,
}


def whole(*blocks: Block) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int16), *converted(blocks)])


def test_what_is_right_already_passes_uncopied() -> None:
    sound = RNG.integers(-9000, 9000, (5000, 1)).astype(np.int16)
    (samples,) = Converter().feed(Block(SAMPLE_RATE, sound))
    assert np.shares_memory(samples, sound)
    assert np.array_equal(samples, sound[:, 0])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_every_sample_type_is_mixed_to_the_mean(kind: str, channels: int) -> None:
    sound = RNG.uniform(-0.9, 0.9, (4000, channels))
    made = whole(Block(SAMPLE_RATE, TYPES[kind](sound)))
    assert made.dtype == np.int16
    step = 400 if kind == "u1" else 2
    np.testing.assert_allclose(made, sound.mean(axis=1) * PCM_FULL_SCALE, atol=step)


@pytest.mark.parametrize("kind", TYPES)
def test_full_scale_stays_full_scale(kind: str) -> None:
    high, low = whole(*(Block(SAMPLE_RATE, TYPES[kind](np.full((10, 2), value))) for value in (1.0, -1.0))).reshape(
        2, 10
    )
    assert high.min() > 32_500
    assert low.max() < -32_500


def test_too_loud_is_clipped_and_no_number_is_no_harm() -> None:
    sound = np.array([[1.7], [-4.0], [np.inf], [-np.inf]], np.float32)
    assert whole(Block(SAMPLE_RATE, sound)).tolist() == [32767, -32768, 32767, -32768]
    assert len(whole(Block(SAMPLE_RATE, np.array([[np.nan], [0.5]], np.float32)))) == 2


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("size", [960, 44_100])
def test_blocks_of_any_size_are_resampled_as_one(rate: int, size: int) -> None:
    sound = tone(rate, 2)[:, None]
    blocks = [Block(rate, sound[k : k + size]) for k in range(0, len(sound), size)]
    made = whole(*blocks)
    expected = soxr.resample(sound[:, 0].astype(np.float32), rate, SAMPLE_RATE)
    assert abs(len(made) - 2 * SAMPLE_RATE) <= 1
    n = min(len(made), len(expected))
    np.testing.assert_allclose(made[:n], expected[:n], atol=2)


def test_a_long_block_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = RNG.integers(-9000, 9000, (10_000, 2)).astype(np.int16)
    at_once = whole(Block(44_100, sound))
    monkeypatch.setattr(pcm, "_AT_ONCE", 999)
    np.testing.assert_allclose(whole(Block(44_100, sound)), at_once, atol=1)


def test_rate_type_and_channels_may_change() -> None:
    made = whole(
        Block(SAMPLE_RATE, tone(SAMPLE_RATE, 1)[:, None]),
        Block(44_100, np.repeat(tone(44_100, 1)[:, None], 2, axis=1)),
        Block(44_100, tone(44_100, 1)[:, None]),
        Block(SAMPLE_RATE, tone(SAMPLE_RATE, 1)[:, None]),
    )
    assert abs(len(made) - 4 * SAMPLE_RATE) <= 2
    assert [abs(int(made[k : k + SAMPLE_RATE].max()) - 8_000) < 200 for k in range(0, 4 * SAMPLE_RATE, SAMPLE_RATE)]


def test_nothing_gives_nothing() -> None:
    assert len(whole()) == 0
    assert len(whole(Block(44_100, np.zeros((0, 2), np.int16)))) == 0
    assert len(mixed(np.zeros((0, 2), np.int16))) == 0
