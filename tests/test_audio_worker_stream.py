"""A container that arrives bit by bit, in this process."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from endpoint.audio.worker.protocol import Limits
from endpoint.audio.worker.stream import Forward, decode_stream
from endpoint.bench import containers
from endpoint.errors import InvalidAudio
from tests import recordings
from tests.recordings import tone, wav

TONE = tone(16_000, 3.0)


def encode(samples: np.ndarray, name: str) -> bytes:
    if name == "webm":
        return recordings.encode(samples[None], "webm", "libopus", 48_000, from_rate=16_000)
    return containers.encode(samples, name)


LIMITS = Limits(max_seconds=60, max_channels=2, cpu_seconds=60)


def decoded(data: bytes, limits: Limits = LIMITS) -> np.ndarray:
    """Through a pipe."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as file:
        try:
            return np.concatenate(list(decode_stream(Forward(file), limits)))
        finally:
            while file.read(65_536):
                pass
            thread.join()


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "opus", "webm"])
def test_containers(name):
    made = decoded(encode(TONE, name))
    assert abs(len(made) - len(TONE)) < 2_000  # encoders pad
    middle = made[16_000:32_000].astype(float)
    wanted = TONE[16_000:32_000].astype(float)
    assert abs(np.sqrt((middle**2).mean()) / np.sqrt((wanted**2).mean()) - 1) < 0.1


def test_other_rates_and_channels():
    stereo = np.stack([tone(44_100, 2.0)] * 2, axis=1)
    assert abs(len(decoded(wav(stereo, 44_100))) - 32_000) < 10


@pytest.mark.parametrize("data", [b"no sound at all" * 1000, b"RIFF....WAVE" + bytes(100)])
def test_what_is_no_audio(data):
    with pytest.raises(InvalidAudio):
        decoded(data)


def test_too_many_channels():
    with pytest.raises(InvalidAudio):
        decoded(wav(np.stack([TONE] * 3, axis=1), 16_000))
