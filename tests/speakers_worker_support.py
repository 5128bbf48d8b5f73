"""Models of diarization made up for tests: loudness is who speaks, and each voice has a direction of its own."""

from __future__ import annotations

import numpy as np

from endpoint.speakers.worker.frames import FIELD, FRAMES, HOP
from endpoint.speakers.worker.models import LOCAL, PRINT, unit
from endpoint.types import SAMPLE_RATE

LEVELS = (0.1, 0.2, 0.4)  # of the three voices; the sum of two is both at once
RNG = np.random.default_rng(0)
VOICES = np.linalg.qr(RNG.standard_normal((PRINT, PRINT)))[0].T.astype(np.float32)  # at right angles


class LoudModels:
    """In each window its first voice is speaker 0, as the real model's numbers mean nothing outside of a window."""

    def __init__(self) -> None:
        self.printed = list[np.ndarray]()  # features of each piece

    def segment(self, windows: np.ndarray) -> np.ndarray:
        return np.stack([self._segment(window) for window in windows])

    def _segment(self, window: np.ndarray) -> np.ndarray:
        levels = np.abs(window[np.arange(FRAMES) * HOP + FIELD // 2])
        active = np.zeros((LOCAL, FRAMES), np.bool_)
        for bits in range(1, 8):
            total = sum(level for voice, level in enumerate(LEVELS) if bits >> voice & 1)
            for voice in range(LOCAL):
                active[voice] |= bool(bits >> voice & 1) & (np.abs(levels - total) < 0.01)
        first = [flags.argmax() if flags.any() else FRAMES for flags in active]
        return active[np.argsort(first, kind="stable")]

    def voice_print(self, features: np.ndarray) -> np.ndarray:
        self.printed.append(features)
        level = np.exp(features.mean() / 2)  # grows with the level of the sound
        known = [np.exp(np.log(voice) + OFFSET) for voice in LEVELS]
        return unit(VOICES[int(np.abs(np.log(known) - np.log(level)).argmin())])


def talk(*parts: tuple[float, float]) -> np.ndarray:
    """Seconds and level of each part: a square wave, float32."""
    sound = [np.full(round(seconds * SAMPLE_RATE), level, np.float32) for seconds, level in parts]
    whole = np.concatenate(sound)
    return whole * np.where(np.arange(len(whole)) % 16 < 8, 1, -1).astype(np.float32)


def _offset() -> float:
    from endpoint.speakers.worker.mel import log_mel

    return float(log_mel(talk((1, 1.0))).mean() / 2)


OFFSET = _offset()
