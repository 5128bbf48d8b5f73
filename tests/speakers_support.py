"""Diarization made up for tests, and recordings that the fake engine recognizes word by word."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from endpoint.errors import InvalidAudio
from endpoint.speakers.turns import Diarization, SpeakerOptions, Turn
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Audio, Samples


def levels(*values: int) -> Samples:
    """A second of each level, 0 for silence: a word each, by its level."""
    return np.repeat(np.array(values, np.int16), SAMPLE_RATE)


def sound_of(samples: Samples) -> Audio:
    frames = np.pad(samples, (0, -len(samples) % SPEECH_FRAME)).reshape(-1, SPEECH_FRAME)
    return Audio(samples, np.where(frames.any(axis=1), 255, 0).astype(np.uint8))


class Recordings:
    """A decoder: `data` names what it gives. Of a recording of several channels, `decode` gives the first."""

    def __init__(self, **channels: Sequence[Samples]) -> None:
        self.channels = channels
        self.started = 0

    async def start(self) -> None:
        self.started += 1

    async def decode(self, data: bytes, *_: object, **__: object) -> Audio:
        return (await self.decode_channels(data))[0]

    async def decode_channels(self, data: bytes, *_: object) -> tuple[Audio, ...]:
        await asyncio.sleep(0)
        if data.decode() not in self.channels:
            raise InvalidAudio("no audio")
        return tuple(map(sound_of, self.channels[data.decode()]))

    async def close(self) -> None:
        pass


class Alternating:
    """A diarizer to which A and B speak in turn, `seconds` each; waits for `gate` before it knows."""

    def __init__(self, seconds: float = 2.0, found: Diarization | None = None) -> None:
        self.seconds, self.found = seconds, found
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = list[tuple[Audio, SpeakerOptions]]()
        self.failure: Exception | None = None
        self.began, self.cancelled, self.closed = asyncio.Event(), 0, 0

    async def diarize(self, audio: Audio, options: SpeakerOptions) -> Diarization:
        self.asked.append((audio, options))
        self.began.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        return self.found or Diarization(self._turns(audio, options), options.num or options.minimum)

    def _turns(self, audio: Audio, options: SpeakerOptions) -> tuple[Turn, ...]:
        names = [known.name for known in options.known] + ["A", "B"]
        length, made = audio.duration_ms / 1000, list[Turn]()
        while len(made) * self.seconds < length:
            start = len(made) * self.seconds
            made.append(Turn(start, min(start + self.seconds, length), names[len(made) % 2]))
        return tuple(made)

    async def close(self) -> None:
        self.closed += 1
