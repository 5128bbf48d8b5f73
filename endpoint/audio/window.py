"""Audio -> Windows, cut where it is quiet. Pure; copies no samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from endpoint.types import SAMPLE_RATE, Audio, Samples, Window

HOP = SAMPLE_RATE // 50  # samples: 20 ms
PAUSE_HOPS = 5  # 100 ms, about the shortest pause between phrases
SEARCH = 3  # the cut is looked for in the last third of a window, so that windows stay long


def cut(audio: Audio, longest: int) -> list[Window]:
    """Cover the whole of `audio` with windows of 1 to `longest` samples, without gap or overlap, in order.

    longest: samples at 16 kHz, at least 1. No samples give no windows. Raises ValueError.
    """
    if longest < 1:
        raise ValueError(f"longest must be at least 1 sample, got {longest}")
    windows = []
    start, end = 0, len(audio.samples)
    while end - start > longest:
        first = start + longest - longest // SEARCH
        split = first + quietest(audio.samples[first : start + longest])
        windows.append(Window(start, audio.samples[start:split]))
        start = split
    if start < end:
        windows.append(Window(start, audio.samples[start:end]))
    return windows


def quietest(samples: Samples) -> int:
    """Middle of the quietest 100 ms of `samples`, an offset from 0 to their number; the latest of several.

    samples: int16 [n], 16 kHz. Too few to hold 100 ms: their number. Another judge of pauses, such as voice
    activity, needs only this signature.
    """
    hops = len(samples) // HOP
    if hops < PAUSE_HOPS:
        return len(samples)
    energy = np.square(samples[: hops * HOP].reshape(hops, HOP), dtype=np.float64).sum(axis=1)
    pause: npt.NDArray[np.float64] = np.convolve(energy, np.ones(PAUSE_HOPS), mode="valid")
    latest = len(pause) - 1 - int(np.argmin(pause[::-1]))
    return latest * HOP + PAUSE_HOPS * HOP // 2
