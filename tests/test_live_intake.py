"""Plain sound passes as it is, bytes of containers are decoded; a file may follow a file."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from endpoint.bench import containers
from endpoint.config import Settings
from endpoint.errors import InvalidAudio
from endpoint.live.intake import Intake, begins_file
from tests import recordings
from tests.recordings import tone

TONE = tone(16_000, 2.0)


def encode(samples: np.ndarray, name: str) -> bytes:
    if name == "webm":
        return recordings.encode(samples[None], "webm", "libopus", 48_000, from_rate=16_000)
    return containers.encode(samples, name)


class Taken:
    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.intake = Intake(self._receive, Settings())
        self.running = asyncio.create_task(self.intake.run())

    async def _receive(self, message: str | bytes) -> None:
        self.messages.append(message)

    @property
    def samples(self) -> np.ndarray:
        return np.frombuffer(b"".join(m for m in self.messages if isinstance(m, bytes)), np.int16)

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


async def test_plain_sound_passes():
    taken = Taken()
    for message in (b"\1\0" * 100, b"RIFF but in the middle of sound", '{"type": "end"}'):
        await taken.intake.take(message)
    assert taken.messages == [b"\1\0" * 100, b"RIFF but in the middle of sound", '{"type": "end"}']
    await taken.stop()


@pytest.mark.parametrize("name", ["wav", "flac", "opus", "webm", "mp3"])
async def test_a_container_in_pieces(name):
    taken, data = Taken(), encode(TONE, name)
    for at in range(0, len(data), 1_000):
        await taken.intake.take(data[at : at + 1_000])
    await taken.intake.take("end")
    assert taken.messages[-1] == "end"  # after all sound
    assert abs(len(taken.samples) - len(TONE)) < 2_000
    await taken.stop()


@pytest.mark.parametrize("name", ["wav", "webm"])
async def test_a_file_after_a_file(name):
    taken, data = Taken(), encode(TONE, name)
    for _ in range(2):
        await taken.intake.take(data)
    await taken.intake.take(b"")
    assert abs(len(taken.samples) - 2 * len(TONE)) < 4_000
    await taken.stop()


async def test_a_broken_container_is_an_error():
    taken = Taken()
    await taken.intake.take(b"fLaC" + bytes(100_000))
    with pytest.raises(InvalidAudio):
        await taken.intake.end()
    with pytest.raises(InvalidAudio):
        await taken.running


@pytest.mark.parametrize("name", ["wav", "flac", "opus", "webm", "mp3", "m4a"])
def test_containers_are_known_by_their_beginning(name):
    assert begins_file(encode(TONE, name))


def test_sound_and_later_pages_are_no_beginning():
    rng = np.random.default_rng(0)
    for level in (0, 1, 100, 8_000):
        noise = rng.normal(0, level, (200, 400)).astype(np.int16)
        assert not any(begins_file(row.tobytes()) for row in noise)
    assert not begins_file(b"OggS\0\0later")
    assert begins_file(b"OggS\0\2first")
