"""How loud a recording is along its time, for drawings of its waveform: samples to peaks. Pure."""

from __future__ import annotations

import numpy as np

from endpoint.types import PCM_FULL_SCALE, Samples

_TOP = 255


def peaks_of(samples: Samples, count: int) -> bytes:
    """The loudest sample of each of `count` equal stretches, 0 to 255, a byte each; 255 is full scale.

    samples: int16 [n], n >= 1. count: at least 1; of a recording with fewer samples there are only as many peaks.
    """
    count = min(count, len(samples))
    begins = np.arange(count, dtype=np.int64) * len(samples) // count
    loudest = np.maximum(
        np.maximum.reduceat(samples, begins).astype(np.int32), -np.minimum.reduceat(samples, begins).astype(np.int32)
    )
    peaks: bytes = np.minimum(np.ceil(np.maximum(loudest, 0) * _TOP / PCM_FULL_SCALE), _TOP).astype(np.uint8).tobytes()
    return peaks
