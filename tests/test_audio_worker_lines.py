"""Channels by themselves: through the decoding processes, and block by block."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import pytest_asyncio

from endpoint.audio.decode import Decoder
from endpoint.audio.worker.lines import Lines
from endpoint.audio.worker.pcm import Block
from endpoint.audio.worker.protocol import Limits, Selection
from endpoint.config import Settings
from endpoint.errors import InvalidAudio, TooLarge
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME
from tests.recordings import encode, tone, wav

pytestmark = pytest.mark.timeout(90)
CHANNELS = Selection(channels=True)
LOW, HIGH = tone(SAMPLE_RATE, 3, 300), tone(SAMPLE_RATE, 3, 2_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    made = Decoder(Settings(decode_workers=1, max_audio_seconds=20))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def target() -> Iterator[int]:
    file = os.memfd_create("target")
    yield file
    os.close(file)


def pitch(samples: np.ndarray) -> float:
    """Hz of the loudest tone."""
    return float(np.abs(np.fft.rfft(samples)).argmax() * SAMPLE_RATE / len(samples))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "mp4"])
async def test_each_channel_is_decoded_by_itself(decoder: Decoder, form: str) -> None:
    both = np.stack([LOW, HIGH])
    data = {
        "wav": lambda: wav(both.T, SAMPLE_RATE),
        "flac": lambda: encode(both, "flac", "flac", SAMPLE_RATE, "stereo"),
        "ogg": lambda: encode(both, "ogg", "libopus", 48_000, "stereo", from_rate=SAMPLE_RATE, bit_rate=128_000),
        "mp4": lambda: encode(both, "mp4", "aac", 44_100, "stereo", from_rate=SAMPLE_RATE, bit_rate=128_000),
    }[form]()
    first, second = await decoder.decode_channels(data)
    assert [pitch(one.samples) for one in (first, second)] == pytest.approx([300, 2_000], abs=5)
    assert len(first.samples) == len(second.samples) == pytest.approx(3 * SAMPLE_RATE, rel=0.05)
    for one in (first, second):
        assert one.speech is not None
        assert len(one.speech) == -(-len(one.samples) // SPEECH_FRAME)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_part_of_each_and_one_channel(decoder: Decoder) -> None:
    both = wav(np.stack([LOW, HIGH], 1), SAMPLE_RATE)
    found = await decoder.decode_channels(both, Selection(start_ms=1_000, end_ms=1_500))
    assert [len(one.samples) for one in found] == [8_000, 8_000]
    (only,) = await decoder.decode_channels(wav(LOW[:, np.newaxis], SAMPLE_RATE))
    assert np.array_equal(only.samples, LOW)


@pytest.mark.asyncio(loop_scope="module")
async def test_all_channels_together_count_for_the_longest_recording(decoder: Decoder) -> None:
    long = np.zeros((7 * SAMPLE_RATE, 3), np.int16)
    with pytest.raises(TooLarge, match="3 channels"):
        await decoder.decode_channels(wav(long, SAMPLE_RATE))
    assert (await decoder.decode(wav(long, SAMPLE_RATE))).duration_ms == 7_000
    with pytest.raises(InvalidAudio):
        await decoder.decode_channels(b"")


def read(target: int, lines: Lines) -> tuple[list[np.ndarray], list[float]]:
    count, gains = lines.finish()
    lines.close()
    samples = np.frombuffer(os.pread(target, os.fstat(target).st_size, 0), np.int16)
    assert len(samples) == count * len(gains)
    return [samples[k * count : (k + 1) * count] for k in range(len(gains))], gains


def test_a_channel_that_turns_up_or_ends_midway_is_silent_elsewhere(target: int) -> None:
    lines = Lines(target, Limits(100, 8, 100), CHANNELS)
    lines.feed(Block(8_000, LOW[:8_000, np.newaxis]))
    lines.feed(Block(8_000, np.stack([LOW[:8_000], HIGH[:8_000]], 1)))
    lines.feed(Block(8_000, LOW[:8_000, np.newaxis], silence=1.0))
    (first, second), _ = read(target, lines)
    assert len(first) == len(second) == 4 * SAMPLE_RATE
    assert not second[: SAMPLE_RATE - 800].any()
    assert second[SAMPLE_RATE : 2 * SAMPLE_RATE].any()
    assert np.abs(second[2 * SAMPLE_RATE + 800 :]).max() <= 8
    assert first[3 * SAMPLE_RATE :].any()


def test_each_channel_gets_its_own_level(target: int) -> None:
    quiet = (LOW * 0.001).astype(np.int16)
    lines = Lines(target, Limits(100, 8, 100), CHANNELS)
    lines.feed(Block(SAMPLE_RATE, np.stack([HIGH, quiet], 1)))
    (first, second), gains = read(target, lines)
    assert np.array_equal(first, HIGH)
    assert gains[0] == 1.0
    assert gains[1] > 50
    assert second.std() > 20 * quiet.std()


def test_unsigned_silence_is_silence(target: int) -> None:
    lines = Lines(target, Limits(100, 8, 100), CHANNELS)
    lines.feed(Block(SAMPLE_RATE, np.full((4_000, 2), 128, np.uint8)))
    lines.feed(Block(SAMPLE_RATE, np.full((4_000, 1), 128, np.uint8)))
    (first, second), _ = read(target, lines)
    assert len(first) == len(second) == 8_000
    assert not first.any()
    assert not second.any()


def test_no_file_is_left_open(target: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    lines = Lines(target, Limits(100, 8, 100), CHANNELS)
    lines.feed(Block(SAMPLE_RATE, np.zeros((10, 8), np.int16)))
    lines.close()
    assert len(os.listdir("/proc/self/fd")) == before
