"""Samples to what is found in each window of 10 s: who speaks when, and voice prints of pieces of speech. Feed, flush.

Windows overlap, so a second of sound is segmented three times. Its voice print, which costs more, is taken once: every
second window prints its middle. A piece ends where the speaker pauses, because speakers change there: pieces of fixed
times mix two voices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from endpoint.speakers.worker.frames import FIELD, FRAME_SECONDS, FRAMES, HOP, WINDOW, Flags, Prints, Samples
from endpoint.speakers.worker.mel import LENGTH, SHIFT, Features, log_mel
from endpoint.speakers.worker.models import Models

STEP = 198  # frames between two windows: 3.3 s
EVERY = 2  # which windows print
TOGETHER = 4  # windows in one run of the segmentation model, whose recurrent layers then read their weights once
LONGEST, SHORTEST = 148, 18  # frames of a piece: 2.5 s and 0.3 s
LONG_ENOUGH = 60  # frames, 1 s: then a piece ends at the next pause
PAUSE = 9  # frames, 0.15 s

_BEFORE = (FRAMES - EVERY * STEP) // 2  # the middle begins

Frames = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """Frames of the recording in which one speaker speaks alone, int64 [n] in order, and their voice print [PRINT]."""

    frames: Frames
    voice: Prints

    @property
    def seconds(self) -> float:
        return len(self.frames) * FRAME_SECONDS


@dataclass(frozen=True)
class Found:
    """Of a recording. Window k begins with frame k * STEP; windows[k]: bool [LOCAL, FRAMES], who speaks when."""

    windows: list[Flags] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)


class Listener:
    """Of one recording. Keeps 20 s of sound, and about 3 kB for each window."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._held = np.zeros(0, np.float32)  # from the start of the next window on
        self._found = Found()

    def feed(self, samples: Samples) -> None:
        """samples: float32 [n], 16 kHz, -1..1, following those fed before."""
        self._held = np.concatenate([self._held, samples])
        while len(self._held) > WINDOW + (TOGETHER - 1) * STEP * HOP:  # something is always left for `flush`
            self._listen(TOGETHER)

    def flush(self) -> Found:
        """All that was found, with the last window, which may be shorter."""
        if len(self._held):
            self._listen(1 + max(0, -(-(len(self._held) - WINDOW) // (STEP * HOP))), last=True)
        return self._found

    def _listen(self, count: int, last: bool = False) -> None:
        """The next `count` windows. last: behind them is nothing."""
        starts = [number * STEP * HOP for number in range(count)]
        windows = np.stack([_padded(self._held[start : start + WINDOW]) for start in starts])
        for start, window, active in zip(starts, windows, self._models.segment(windows), strict=True):
            number = len(self._found.windows)
            active[:, np.arange(FRAMES) * HOP + FIELD / 2 > len(self._held) - start] = False
            self._found.windows.append(active)
            for frames in _pieces(active, *_printed(number, last and start == starts[-1])):
                print_ = self._models.voice_print(_features(window, frames))
                self._found.pieces.append(Piece(number * STEP + frames, print_))
        self._held = self._held[count * STEP * HOP :]


def _padded(samples: Samples) -> Samples:
    return np.pad(samples, (0, WINDOW - len(samples)))


def _printed(number: int, last: bool) -> tuple[int, int]:
    """The frames of a window of which voice prints are taken: each frame of the recording in one window."""
    late = number % EVERY
    if late and not last:
        return 0, 0
    begin = _BEFORE + (EVERY - late) * STEP if late else _BEFORE
    return (begin if number else 0), (FRAMES if last else _BEFORE + EVERY * STEP)


def _pieces(active: Flags, begin: int, end: int) -> Iterator[Frames]:
    """The frames from `begin` to `end` in which one speaks alone, in pieces; speech too short for one is left out."""
    for alone in active & (active.sum(axis=0) == 1):
        frames = begin + np.flatnonzero(alone[begin:end])
        held = frames[:0]
        for run in np.split(frames, np.flatnonzero(np.diff(frames) > PAUSE) + 1):
            held = np.concatenate([held, run])
            if len(held) >= LONG_ENOUGH:
                yield from np.array_split(held, -(-len(held) // LONGEST))
                held = held[:0]
        if len(held) >= SHORTEST:
            yield held


def _features(samples: Samples, frames: Frames) -> Features:
    """The log-mel frames of a window that are nearest to `frames`: [n, MELS]."""
    first = int(frames[0]) * HOP
    mel = log_mel(samples[first : int(frames[-1]) * HOP + FIELD])
    nearest = (first + np.arange(len(mel)) * SHIFT + LENGTH // 2 - FIELD // 2 + HOP // 2) // HOP
    return mel[np.isin(nearest, frames)]
