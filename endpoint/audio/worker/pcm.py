"""Sound of any rate, sample type and number of channels -> mono at 16 kHz. Feed and flush; no I/O.

Mono int16 at 16 kHz passes unchanged. Other sound is mixed as float32, the mean of all channels, with signs such that
no channel cancels another, and resampled by soxr, which takes a fifth of swresample's time. The level is left as it
is: endpoint/audio/worker/level.py makes int16 of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from endpoint.audio.worker.level import Part, finite
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE

ALIKE = 0.3  # correlation from which two channels are the same sound, or the same turned
FEWEST = 2_000  # frames from which channels are compared; fewer may be alike by chance
TURN_SECONDS = 0.005  # in which a channel goes over to the other sign: no click
_AT_ONCE = 1 << 16  # frames mixed at once, for which it is decided which channels are turned: 1.4 s at 48 kHz


@dataclass(frozen=True)
class Block:
    """A stretch of a recording. rate: Hz. sound: [n, channels], n >= 0: uint8, or signed or floating of any width.

    silence: seconds of it that come before.
    """

    rate: int
    sound: npt.NDArray[Any]
    silence: float = 0.0


class Converter:
    """One recording's blocks to samples; they may change rate, type and channels on the way."""

    def __init__(self) -> None:
        self._rate = 0
        self._mixer = Mixer()
        self._stream: soxr.ResampleStream | None = None

    def feed(self, block: Block) -> Iterator[Part | int]:
        """int16 or float32 [n], n >= 0, in the range of int16 and beyond, several times: what `block` completes.

        Silence is an int: its samples.
        """
        if block.silence:
            yield from self.flush()
            yield round(block.silence * SAMPLE_RATE)
        if block.rate != self._rate:
            yield from self.flush()
            self._rate = block.rate
            if block.rate != SAMPLE_RATE:
                self._stream = soxr.ResampleStream(block.rate, SAMPLE_RATE, 1, dtype="float32")
        if self._stream is None and block.sound.shape[1] == 1 and block.sound.dtype == np.int16:
            yield block.sound[:, 0]
            return
        for begin in range(0, len(block.sound), _AT_ONCE):
            mono = self._mixer.mix(block.sound[begin : begin + _AT_ONCE])
            yield mono if self._stream is None else self._stream.resample_chunk(mono)

    def flush(self) -> Iterator[Part]:
        """What is still inside the resampler; then begin anew."""
        if self._stream is not None:
            yield self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        self._rate, self._stream = 0, None


class Mixer:
    """The mean of the channels; a channel that would cancel another is turned, that is, its sign is changed.

    This is decided anew for every call. Channels are taken in order of loudness. Each is compared with those before it
    and gets the sign of the one it correlates with most, or the opposite sign where that correlation is negative. A
    channel that correlates with none keeps its sign. Compared are the differences between neighbouring samples: in them
    hum and offsets, which may be alike in channels whose speech is opposite, count little.
    """

    def __init__(self) -> None:
        self._signs = np.ones(0, np.float32)

    def mix(self, sound: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """float32 [n] in the range of int16 and beyond, of [n, channels] in any sample type."""
        kind, channels = sound.dtype, sound.shape[1]
        scale = PCM_FULL_SCALE if kind.kind == "f" else PCM_FULL_SCALE / (1 << (8 * kind.itemsize - 1))
        middle = np.float32(1 << (8 * kind.itemsize - 1) if kind.kind == "u" else 0)
        # A reduction over so short an axis takes numpy ten times as long as adding the columns.
        columns = [(sound[:, channel].astype(np.float32) - middle) * np.float32(scale) for channel in range(channels)]
        if kind.kind == "f":  # a file may hold what is not a number
            columns = [finite(column) for column in columns]
        if channels > 1 and len(sound) > 1:
            self._turn(columns)
        total = columns[0]
        for column in columns[1:]:
            total += column
        total /= np.float32(channels)
        return total

    def _turn(self, columns: list[npt.NDArray[np.float32]]) -> None:
        if len(self._signs) != len(columns):
            self._signs = np.zeros(len(columns), np.float32)
        before = self._signs
        if len(columns[0]) >= FEWEST or not before.all():
            self._compare([np.diff(column) for column in columns])
        for column, sign, old in zip(columns, self._signs, before, strict=True):
            if sign < 0:
                np.negative(column, out=column)
            if old and sign != old:
                turn = column[: int(TURN_SECONDS * SAMPLE_RATE)]
                turn *= np.linspace(-1, 1, len(turn), dtype=np.float32)

    def _compare(self, changes: list[npt.NDArray[np.float32]]) -> None:
        powers = [float(np.dot(change, change)) for change in changes]
        self._signs = np.where(self._signs < 0, np.float32(-1), np.float32(1))
        placed = list[int]()
        for k in sorted(range(len(changes)), key=lambda k: -powers[k]):
            most = 0.0
            for other in placed:
                both = (powers[k] * powers[other]) ** 0.5
                likeness = float(np.dot(changes[k], changes[other])) / both if both > 0 else 0.0
                if abs(likeness) > max(ALIKE, abs(most)):
                    most = likeness
                    self._signs[k] = self._signs[other] if likeness > 0 else -self._signs[other]
            placed.append(k)
