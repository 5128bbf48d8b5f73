"""How alike the stretches of two channels are: of an echo, and of two voices at once.

    python -m benchmarks.echo

Human recordings; prints the correlation that endpoint/audio/echo.py compares with its limit, in percentiles.
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np

from endpoint.audio.echo import ALIKE, CHUNK, HOP, likeness
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Samples
from tests.test_audio_echo import later, voice

SECONDS = 9.0
NAMES = ("LJ001-0001.flac", "LJ001-0003.flac", "LJ001-0005.flac", "jfk.flac")
PERCENT = (5, 25, 50, 75, 95)
LOUD = 100.0  # RMS from which a stretch counts: others are pauses


def whole(sound: np.ndarray) -> Samples:
    return np.rint(sound).astype(np.int16)


def found(channel: Samples, other: Samples) -> list[float]:
    """The correlation of each stretch of `channel` that is not a pause."""
    size = CHUNK * SPEECH_FRAME
    starts = range(0, len(channel) - size + 1, HOP * SPEECH_FRAME)
    return [
        likeness(channel, other, start)
        for start in starts
        if np.sqrt(np.mean(channel[start : start + size].astype(float) ** 2)) >= LOUD
    ]


def main() -> int:
    noise = np.random.default_rng(0).normal(0, 20, int(SECONDS * SAMPLE_RATE))
    voices = {name: voice(name, SECONDS) for name in NAMES}
    echoes = [
        found(whole(0.1 * later(sound, delay) + noise), whole(sound))
        for sound, delay in product(voices.values(), (0, 1_600, 8_000))
    ]
    pairs = [(one, other) for one, other in product(NAMES, NAMES) if one != other]
    others = [found(whole(voices[one]), whole(voices[other])) for one, other in pairs]
    print(f"correlation, limit {ALIKE}; percentiles {PERCENT}")
    for name, groups in (("echo 20 dB down, in noise", echoes), ("two recordings of humans", others)):
        values = np.array([value for group in groups for value in group])
        shown = "  ".join(f"{value:.2f}" for value in np.percentile(values, PERCENT))
        wrong = np.mean(values < ALIKE) if groups is echoes else np.mean(values >= ALIKE)
        print(f"{name:28} {len(values):5} stretches  {shown}  on the wrong side {100 * wrong:.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
