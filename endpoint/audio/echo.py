"""The echo of one channel in another: speech that is transcribed where it was spoken, and not a second time. Pure.

A stretch of a channel is an echo of another one where that one is louder and both are alike, shifted by the delay of a
telephone line or a room. Compared are the differences between neighbouring samples, in which two voices are least
alike (`python -m benchmarks.echo` prints how much, of voices and of echoes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from endpoint.types import SPEECH_CERTAIN, SPEECH_FRAME, Audio, Samples, samples_to_ms

ALIKE = 0.25  # correlation from which one stretch is an echo of another
LOUDER = 4.0  # times the power that the other channel has at least: 6 dB
DELAY = 9_600  # samples, 0.6 s: the longest delay of an echo
AHEAD = 800  # samples, 50 ms, by which recorders may shift channels against each other
CHUNK = 16  # frames that are compared at once, 0.5 s
HOP = 8  # frames from one such stretch to the next
SHORT = 16  # frames between two stretches of echo that are echo, too, if the other channel is louder in them
SPEAKING = 0.35 * SPEECH_CERTAIN  # probability of speech from which a frame counts
QUIET = 10.0  # mean square of a stretch below which there is nothing to compare
_FFT = 1 << 15  # holds a stretch and all its shifts

Frames = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cleaned:
    """audio: without the sound and the speech that is an echo. echo_ms: how long that is."""

    audio: Audio
    echo_ms: int


def without_echoes(channels: Sequence[Audio]) -> list[Cleaned]:
    """The channels of one recording, of one length and with their speech, each without the echoes of the others."""
    powers = [_powers(channel) for channel in channels]
    made = list[Cleaned]()
    for k, channel in enumerate(channels):
        assert channel.speech is not None
        echo = np.zeros(len(channel.speech), np.bool_)
        for other in range(len(channels)):
            if other != k:
                louder = powers[other] >= LOUDER * powers[k]
                echo |= _echoes(channel, channels[other], louder)
        made.append(_silenced(channel, echo))
    return made


def _silenced(channel: Audio, echo: Frames) -> Cleaned:
    assert channel.speech is not None
    if not echo.any():
        return Cleaned(channel, 0)
    samples, speech = channel.samples.copy(), np.where(echo, 0, channel.speech).astype(np.uint8)
    count = 0
    for begin, end in _runs(echo):
        part = samples[begin * SPEECH_FRAME : end * SPEECH_FRAME]
        part[:] = 0
        count += len(part)
    return Cleaned(replace(channel, samples=samples, speech=speech), samples_to_ms(count))


def _powers(channel: Audio) -> npt.NDArray[np.float64]:
    """Mean square around each frame, a chunk wide, at the level at which it was recorded."""
    assert channel.speech is not None
    frames = len(channel.speech)
    powers = np.zeros(frames)
    for k in range(frames):
        part = channel.samples[k * SPEECH_FRAME : (k + 1) * SPEECH_FRAME].astype(np.float32)
        powers[k] = float(np.dot(part, part)) / SPEECH_FRAME
    return np.convolve(powers, np.full(CHUNK, 1 / CHUNK), "same")[:frames] / channel.gain**2


def _echoes(channel: Audio, other: Audio, louder: Frames) -> Frames:
    """The frames of `channel` that are an echo of `other`, which is louder in those of `louder`."""
    assert channel.speech is not None
    speaking = (channel.speech >= SPEAKING) & louder
    alike = [
        speaking[first : first + CHUNK].any()
        and likeness(channel.samples, other.samples, first * SPEECH_FRAME) >= ALIKE
        for first in range(0, len(speaking), HOP)
    ]
    echo = np.zeros(len(speaking), np.bool_)
    for k, (one, following) in enumerate(pairwise(alike)):
        if one and following:  # one alone may be chance
            echo[k * HOP : (k + 1) * HOP + CHUNK] = True
    return _filled(echo & louder, louder)


def likeness(samples: Samples, source: Samples, start: int) -> float:
    """The greatest correlation, 0 to 1, of a chunk from sample `start` on with `source`, over all delays of an echo.

    Both int16 [n], 16 kHz.
    """
    chunk = _changes(samples, start, start + CHUNK * SPEECH_FRAME)
    sound = _changes(source, start - DELAY, start + CHUNK * SPEECH_FRAME + AHEAD)
    power = float(np.dot(chunk, chunk))
    if power < QUIET * len(chunk):
        return 0.0
    product = np.fft.rfft(sound, _FFT) * np.conj(np.fft.rfft(chunk, _FFT))
    shifts = len(sound) - len(chunk) + 1
    total = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    powers = total[len(chunk) : len(chunk) + shifts] - total[:shifts]
    found = np.abs(np.fft.irfft(product, _FFT)[:shifts])
    return float((found / np.sqrt(power * np.maximum(powers, QUIET * len(chunk)))).max())


def _changes(samples: Samples, start: int, end: int) -> npt.NDArray[np.float32]:
    """float32 [end - start], differences of neighbouring samples; silence where there are none."""
    made = np.zeros(end - start, np.float32)
    low, high = max(start, 1), min(end, len(samples))
    if low < high:
        made[low - start : high - start] = np.diff(samples[low - 1 : high].astype(np.float32))
    return made


def _filled(echo: Frames, louder: Frames) -> Frames:
    """Short stretches between two of echo belong to it, where the other channel is louder throughout."""
    runs = _runs(echo)
    made = echo.copy()
    for (_, end), (begin, _) in pairwise(runs):
        if begin - end <= SHORT and louder[end:begin].all():
            made[end:begin] = True
    return made


def _runs(frames: Frames) -> list[tuple[int, int]]:
    """First frame and the one after the last, of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frames, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
