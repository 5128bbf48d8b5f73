"""Conversion to mono at 16 kHz: what passes, what is mixed, what is resampled, and in what pieces."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from endpoint.audio.worker import pcm
from endpoint.audio.worker.pcm import Block, Converter, Mixer
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
    converter = Converter()
    parts = [part for block in blocks for part in converter.feed(block)]
    return np.concatenate([np.zeros(0, np.int16), *parts, *converter.flush()])


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
    step = 400 if kind == "u1" else 2
    np.testing.assert_allclose(made, sound.mean(axis=1) * PCM_FULL_SCALE, atol=step)


@pytest.mark.parametrize("kind", TYPES)
def test_full_scale_stays_full_scale(kind: str) -> None:
    high, low = whole(*(Block(SAMPLE_RATE, TYPES[kind](np.full((10, 2), value))) for value in (1.0, -1.0))).reshape(
        2, 10
    )
    assert high.min() > 32_500
    assert low.max() < -32_500


def test_too_loud_is_left_to_the_level_and_no_number_is_no_harm() -> None:
    sound = np.array([[1.5], [-4.0], [np.inf], [-np.inf], [np.nan]], np.float32)
    assert whole(Block(SAMPLE_RATE, sound)).tolist() == [1.5 * 32768, -4 * 32768, 0, 0, 0]


@pytest.mark.parametrize("share", [-1.0, -0.998, -0.3])
@pytest.mark.parametrize("channels", [2, 3, 6])
def test_channels_that_would_cancel_are_turned(share: float, channels: int) -> None:
    voice = tone(SAMPLE_RATE, 1).astype(np.float32)
    sound = np.stack([voice, share * voice, *[0 * voice] * (channels - 2)], 1).astype(np.int16)
    made = whole(Block(SAMPLE_RATE, sound))
    assert abs(made).max() == pytest.approx(8_000 * (1 - share) / channels, rel=0.02)


def test_two_speakers_on_two_channels_are_both_kept() -> None:
    left, right = tone(SAMPLE_RATE, 1).astype(np.float32), RNG.normal(0, 3_000, SAMPLE_RATE).astype(np.float32)
    made = Mixer().mix(np.stack([left, right], 1).astype(np.int16))
    np.testing.assert_allclose(made, (left + right) / 2, atol=2)


def mixed(*channels: np.ndarray) -> np.ndarray:
    """As it comes, in blocks, of [n] in -1..1."""
    sound, mixer = np.stack(channels, 1).astype(np.float32), Mixer()
    parts = [mixer.mix(sound[k : k + SAMPLE_RATE]) for k in range(0, len(sound), SAMPLE_RATE)]
    return np.concatenate(parts) / PCM_FULL_SCALE


def amount(voice: np.ndarray, mix: np.ndarray) -> float:
    """How much of `voice` is in the mix."""
    return abs(float(np.dot(voice, mix) / np.dot(voice, voice)))


VOICE = np.convolve(RNG.normal(0, 0.05, 3 * SAMPLE_RATE), [1, 2, 1], "same")  # with the lower half of the spectrum
HUM = 0.3 * np.sin(2 * np.pi * 50 * np.arange(len(VOICE)) / SAMPLE_RATE)
NOISE = RNG.normal(0, 0.05, (2, len(VOICE)))


@pytest.mark.parametrize(
    ("channels", "least"),
    [
        ((VOICE + HUM, HUM - VOICE), 0.99),  # a balanced line, wired wrongly
        ((VOICE + 0.3, 0.3 - VOICE), 0.99),  # an offset of both
        ((3 * HUM, VOICE, -VOICE), 0.65),  # the loudest is like neither
        ((NOISE[0], VOICE, -VOICE, NOISE[1]), 0.49),
        ((VOICE + NOISE[0], NOISE[1] - VOICE), 0.95),
    ],
)
def test_what_else_is_in_the_channels_does_not_hide_that_they_cancel(
    channels: tuple[np.ndarray, ...], least: float
) -> None:
    assert amount(VOICE, mixed(*channels)) >= least


def test_channels_that_become_opposite_midway_are_turned_without_a_click() -> None:
    half, voice = len(VOICE) // 2, tone(SAMPLE_RATE, 4)[: len(VOICE)] / PCM_FULL_SCALE
    mix = mixed(voice, np.concatenate([voice[:half], -voice[half:]]))
    assert amount(voice[2 * SAMPLE_RATE :], mix[2 * SAMPLE_RATE :]) == pytest.approx(1, abs=0.05)
    assert np.abs(np.diff(mix[2 * SAMPLE_RATE - 5 :])).max() < 1.2 * np.abs(np.diff(voice)).max()


def test_a_channel_stays_turned_while_it_is_too_short_to_compare() -> None:
    voice, mixer = tone(SAMPLE_RATE, 1).astype(np.float32), Mixer()
    mixer.mix(np.stack([voice, -voice], 1))
    quiet = np.stack([voice, np.zeros_like(voice)], 1)
    np.testing.assert_allclose(mixer.mix(quiet), voice / 2 * PCM_FULL_SCALE)


def test_silence_before_a_block_is_its_number_of_samples() -> None:
    converter = Converter()
    first = list(converter.feed(Block(8_000, np.ones((8_000, 1), np.int16))))
    silence = list(converter.feed(Block(8_000, np.zeros((0, 1), np.int16), silence=0.25)))
    assert [part for part in silence if isinstance(part, int)] == [SAMPLE_RATE // 4]
    before = sum(len(part) for part in [*first, *silence] if not isinstance(part, int))
    assert abs(before - SAMPLE_RATE) <= 1  # all of the first block comes before the silence


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
    assert len(Mixer().mix(np.zeros((0, 2), np.int16))) == 0
