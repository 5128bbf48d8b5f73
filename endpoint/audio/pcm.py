"""Sound of any rate, sample type and number of channels -> mono int16 at 16 kHz. Feed and flush; no I/O.

Sound that is that already passes as it is. The rest is mixed as float32, the mean of all channels, and resampled by
soxr, which takes a fifth of swresample's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, Samples

_AT_ONCE = 1 << 18  # frames mixed at once: 4 MB of stereo float64


@dataclass(frozen=True)
class Block:
    """A stretch of a recording. rate: Hz. sound: [n, channels], n >= 0: uint8, or signed or floating of any width."""

    rate: int
    sound: npt.NDArray[Any]


class Converter:
    """One recording's blocks to samples; they may change rate, type and channels on the way."""

    def __init__(self) -> None:
        self._rate = 0
        self._stream: soxr.ResampleStream | None = None

    def feed(self, block: Block) -> Iterator[Samples]:
        """int16 [n], n >= 0, several times: what `block` completes."""
        if block.rate != self._rate:
            yield from self.flush()
            self._rate = block.rate
            if block.rate != SAMPLE_RATE:
                self._stream = soxr.ResampleStream(block.rate, SAMPLE_RATE, 1, dtype="float32")
        if self._stream is None and block.sound.shape[1] == 1 and block.sound.dtype == np.int16:
            yield block.sound[:, 0]
            return
        for begin in range(0, len(block.sound), _AT_ONCE):
            mono = mixed(block.sound[begin : begin + _AT_ONCE])
            yield _integers(mono if self._stream is None else self._stream.resample_chunk(mono))

    def flush(self) -> Iterator[Samples]:
        """What is still inside the resampler; then begin anew."""
        if self._stream is not None:
            yield _integers(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
        self._rate, self._stream = 0, None


def converted(blocks: Iterable[Block]) -> Iterator[Samples]:
    """All samples of a recording, int16 [n] several times."""
    converter = Converter()
    for block in blocks:
        yield from converter.feed(block)
    yield from converter.flush()


def mixed(sound: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The mean of the channels, float32 [n] in the range of int16, of [n, channels] in any sample type."""
    kind = sound.dtype
    scale = PCM_FULL_SCALE if kind.kind == "f" else PCM_FULL_SCALE / (1 << (8 * kind.itemsize - 1))
    # A reduction over so short an axis takes numpy ten times as long as adding the columns.
    total = sound[:, 0].astype(np.float32)
    for channel in range(1, sound.shape[1]):
        total += sound[:, channel]
    if kind.kind == "u":
        total -= (1 << (8 * kind.itemsize - 1)) * sound.shape[1]
    total *= np.float32(scale / sound.shape[1])
    return total


def _integers(mono: npt.NDArray[np.float32]) -> Samples:
    limits = np.iinfo(np.int16)
    with np.errstate(invalid="ignore"):  # a file may hold what is not a number
        return np.clip(np.rint(mono), limits.min, limits.max).astype(np.int16)
