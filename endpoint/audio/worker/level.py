"""Sound of any level -> int16 of one gain for the whole recording. Feed and finish; the file is written in place.

The loudness of a recording is known only at its end, and int16 can hold neither speech at -80 dB nor floats above full
scale. So each part is written as int16, scaled to its own peak where that is needed, and at the end all parts are
brought to one gain. It is 1 for recordings of a usual level.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, Samples

LOUDEST, QUIETEST = -10.0, -45.0  # decibels below full scale: RMS of usual recordings' loud moments
WANTED = -24.0  # of those that are louder or quieter
OVERSHOOT = 4.0  # peaks up to this share of full scale are scaled down; higher ones are clicks, and clipped
MOMENT = SAMPLE_RATE // 5  # samples whose RMS is taken
LOUD_MOMENTS = 5  # the loudest second counts: most of a recording may be pauses, and a click is one moment
MOST_RAISED = 46.0  # decibels
_BYTES = np.dtype(np.int16).itemsize
_PEAK = 32_000.0  # of a part that is scaled to its own
_SMALL = 3_000.0  # a part with a lower peak than this loses precision as int16

Part = Samples | npt.NDArray[np.float32]


def finite(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [n], n >= 1; nan and infinity become 0, in place."""
    if math.isfinite(values.max()) and math.isfinite(values.min()):  # nan is the greatest and the least of all
        return values
    return np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


class Leveller:
    """Writes parts into `file`, which is empty, one behind the other."""

    def __init__(self, file: int) -> None:
        self._file, self.count = file, 0
        self._parts = list[tuple[int, float]]()  # samples, and what they were multiplied by
        self._powers = list[npt.NDArray[np.float64]]()
        self._peak = 0.0

    def feed(self, part: Part) -> None:
        """int16 [n], or float32 [n] in the range of int16 and beyond."""
        if not len(part):
            return
        values = finite(part.astype(np.float32))
        peak = float(max(values.max(), -values.min()))
        self._peak = max(self._peak, peak)
        self._powers.append(_powers(values))
        scale = 1.0
        if part.dtype != np.int16 and peak > 0 and not _SMALL <= peak < PCM_FULL_SCALE:
            scale = _PEAK / peak
            values *= np.float32(scale)
        samples = part if part.dtype == np.int16 else np.rint(values).astype(np.int16)
        self._parts.append((len(part), scale))
        self.count += len(part)
        _write_all(self._file, np.ascontiguousarray(samples))

    def silence(self, count: int) -> None:
        """Write `count` samples of silence, which do not count for the level."""
        for begin in range(0, count, SAMPLE_RATE):
            _write_all(self._file, np.zeros(min(SAMPLE_RATE, count - begin), np.int16))
        self._parts.append((count, 1.0))
        self.count += count

    def finish(self) -> float:
        """Bring all parts to one gain, which is returned."""
        gain = self._gain()
        at = 0
        for count, scale in self._parts:
            if scale != gain:
                self._multiply(at, count, gain / scale)
            at += count
        return gain

    def _gain(self) -> float:
        powers = np.concatenate(self._powers) if self._powers else np.zeros(0)
        powers = powers[powers > 0]
        if not len(powers):
            return 1.0
        place = min(LOUD_MOMENTS, len(powers) // 4 + 1)
        level = 10 * math.log10(float(np.partition(powers, -place)[-place]) / PCM_FULL_SCALE**2)
        if not QUIETEST <= level <= LOUDEST:
            wanted = 10 ** ((WANTED - level) / 20)
            # A loud recording within full scale is as it should be; a quiet one's clicks may be clipped.
            return 1.0 if level > LOUDEST and self._peak <= PCM_FULL_SCALE else wanted
        over = self._peak / PCM_FULL_SCALE
        return 1 / over if 1 < over <= OVERSHOOT else 1.0

    def _multiply(self, at: int, count: int, factor: float) -> None:
        for begin in range(at, at + count, SAMPLE_RATE):
            size = min(SAMPLE_RATE, at + count - begin)
            sound = np.frombuffer(os.pread(self._file, size * _BYTES, begin * _BYTES), np.int16) * np.float32(factor)
            limits = np.iinfo(np.int16)
            os.pwrite(self._file, np.clip(np.rint(sound), limits.min, limits.max).astype(np.int16), begin * _BYTES)


def raised(samples: Samples) -> Part:
    """A stretch as voice activity needs it: quiet ones amplified, for after loud sound it detects nothing below -50 dB.

    Amplified by MOST_RAISED at most: what stays quiet then is the noise of 16 bits.
    """
    powers = _powers(samples.astype(np.float32)) if len(samples) else np.zeros(1)
    level = 10 * math.log10(max(1e-10, float(powers.max())) / PCM_FULL_SCALE**2)
    if level >= QUIETEST:
        return samples
    factor = np.float32(10 ** (min(MOST_RAISED, WANTED - level) / 20))
    return samples * factor


def _powers(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Mean square of each moment; samples left over at the end belong to the last one."""
    whole = max(1, len(values) // MOMENT)
    parts: Iterator[npt.NDArray[np.float32]] = (
        values[k * MOMENT : (k + 1) * MOMENT if k + 1 < whole else len(values)] for k in range(whole)
    )
    return np.array([float(np.dot(part, part)) / len(part) for part in parts])


def _write_all(file: int, samples: Samples) -> None:
    rest = samples.data.cast("B")
    while rest:
        rest = rest[os.write(file, rest) :]
