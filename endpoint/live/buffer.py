"""The last sound of a stream, by the number of its samples. No I/O."""

from __future__ import annotations

import numpy as np

from endpoint.types import Samples

_BYTES = np.dtype(np.int16).itemsize


class SampleBuffer:
    """Samples from `start` up to `end`, both counted from the beginning of the stream."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.start = 0

    @property
    def end(self) -> int:
        return self.start + len(self._data) // _BYTES

    def append(self, samples: Samples) -> None:
        """int16 [n], n >= 0, 16 kHz, mono."""
        self._data += np.ascontiguousarray(samples, np.int16).data

    def forget(self, until: int) -> None:
        """Drop what is before sample `until`; what was dropped before stays so."""
        count = min(max(0, until - self.start), len(self._data) // _BYTES)
        del self._data[: count * _BYTES]
        self.start += count

    def cut(self, start: int, end: int) -> Samples:
        """A copy of the samples from `start` up to `end`, as far as they are here: int16 [n]."""
        first, last = max(0, start - self.start), max(0, end - self.start)
        return np.frombuffer(bytes(self._data[first * _BYTES : last * _BYTES]), np.int16)
