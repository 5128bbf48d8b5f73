"""Samples to the log-mel features of voice prints: Kaldi's filter bank, as CAM++ was trained on.

25 ms every 10 ms, without dither, Povey window, 80 triangular filters from 20 Hz to 8 kHz; samples in -1..1. Differs
from kaldi-native-fbank by less than 1e-3 (tests/test_speakers_worker_mel.py has its numbers).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft

from endpoint.speakers.worker.frames import Samples
from endpoint.types import SAMPLE_RATE

LENGTH = SAMPLE_RATE // 40  # samples of a frame
SHIFT = SAMPLE_RATE // 100  # samples between two frames
MELS = 80
_BINS = 512  # of the Fourier transform
_LOWEST = 20  # Hz
_EMPHASIS = 0.97

Features = npt.NDArray[np.float32]


def _mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return 1127 * np.log1p(np.asarray(hertz, np.float64) / 700)


def _filters() -> Features:
    """float32 [bins, MELS]."""
    bins = _mel(np.arange(_BINS // 2 + 1) * SAMPLE_RATE / _BINS)[:, None]
    edges = np.linspace(_mel(_LOWEST), _mel(SAMPLE_RATE / 2), MELS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    filters: Features = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return filters


_FILTERS = _filters()
_WINDOW = (np.hanning(LENGTH) ** 0.85).astype(np.float32)


def log_mel(samples: Samples) -> Features:
    """float32 [n], 16 kHz, -1..1 -> float32 [frames, MELS], natural logarithms; frame k begins at sample k * SHIFT.

    [0, MELS] where there are fewer samples than a frame has.
    """
    if len(samples) < LENGTH:
        return np.zeros((0, MELS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, LENGTH)[::SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    emphasised = np.empty_like(frames)
    emphasised[:, 1:] = frames[:, 1:] - _EMPHASIS * frames[:, :-1]
    emphasised[:, 0] = frames[:, 0] * (1 - _EMPHASIS)
    spectrum = scipy.fft.rfft(emphasised * _WINDOW, _BINS)  # of float32, several times faster than NumPy's
    power = spectrum.real**2 + spectrum.imag**2
    features: Features = np.log(np.maximum(power @ _FILTERS, np.finfo(np.float32).eps))
    return features
