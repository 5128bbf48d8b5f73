"""Samples to Kaldi's log-mel features."""

from __future__ import annotations

import numpy as np
import pytest

from endpoint.speakers.worker.mel import MELS, log_mel
from endpoint.types import SAMPLE_RATE

# frame, filter, value; by kaldi-native-fbank
KALDI = ((0, 0, -8.3177), (0, 40, -4.9372), (10, 20, -4.8101), (25, 60, -1.9791), (47, 79, -0.658), (30, 5, -10.0883))


def sound() -> np.ndarray:
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    noise = np.random.default_rng(7).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * (200 * time + 3000 * time**2)) + 0.01 * noise).astype(np.float32)


def test_the_features_are_kaldis() -> None:
    found = log_mel(sound())
    assert found.shape == (48, MELS)
    assert found.dtype == np.float32
    for frame, mel, value in KALDI:
        assert found[frame, mel] == pytest.approx(value, abs=1e-3)


def test_a_frame_needs_25_ms() -> None:
    assert log_mel(sound()[:399]).shape == (0, MELS)
    assert log_mel(sound()[:400]).shape == (1, MELS)


def test_silence_has_a_floor() -> None:
    assert np.isfinite(log_mel(np.zeros(800, np.float32))).all()
