"""Probability of speech -> Spans of speech. Pure.

The hysteresis is Silero's own (get_speech_timestamps): speech begins where the probability reaches the threshold, and
ends where it falls below a lower one and stays away for a while.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from endpoint.options import VadOptions
from endpoint.types import SPEECH_CERTAIN, SPEECH_FRAME, Span, ms_to_samples

HYSTERESIS = 0.15  # Silero's: how far below the threshold speech still goes on
LOWEST = 0.01  # Silero's: speech ends below this, however low the threshold
SHORTEST_FRAMES = 2  # 64 ms: clicks are shorter. Silero's 250 ms would lose short words such as a lone "a"
SURE = 0.9  # probability of certain speech: music and other tones reach it for moments only
SUFFIX_MS = 200  # after the last frame of speech: weak ends of words, /f/ or /t/, get a probability like silence


def find_spans(speech: npt.NDArray[np.uint8], count: int, options: VadOptions) -> tuple[Span, ...]:
    """Where there is speech in a recording of `count` samples, in order, padded, not overlapping; they may touch.

    speech: uint8 [ceil(count / SPEECH_FRAME)], probability of speech in each frame, SPEECH_CERTAIN meaning 1.
    """
    runs = _runs(_speaking(speech, options.threshold))
    if not len(runs):
        return ()
    gaps = (runs[1:, 0] - runs[:-1, 1]) * SPEECH_FRAME
    parts = np.flatnonzero(gaps >= ms_to_samples(options.silence_duration_ms)) + 1
    starts = runs[np.r_[0, parts], 0]
    ends = runs[np.r_[parts - 1, len(runs) - 1], 1]
    long = ends - starts >= SHORTEST_FRAMES
    return _padded(
        starts[long] * SPEECH_FRAME, ends[long] * SPEECH_FRAME, count, ms_to_samples(options.prefix_padding_ms)
    )


def find_sure_spans(speech: npt.NDArray[np.uint8], count: int, options: VadOptions) -> tuple[Span, ...]:
    """The parts of these spans that are certain to be speech, without padding before them."""
    threshold = max(SURE, options.threshold)
    return find_spans(speech, count, replace(options, threshold=threshold, prefix_padding_ms=0))


def _speaking(speech: npt.NDArray[np.uint8], threshold: float) -> npt.NDArray[np.bool_]:
    """bool [n]: on from a frame at the threshold up to one below the lower threshold."""
    lower = max(threshold - HYSTERESIS, LOWEST)
    on, off = speech >= threshold * SPEECH_CERTAIN, speech < lower * SPEECH_CERTAIN
    decided = np.where(on | off, np.arange(len(speech)), -1)  # frames between the two keep what was
    last = np.maximum.accumulate(decided)
    speaking: npt.NDArray[np.bool_] = on[last] & (last >= 0)
    return speaking


def _runs(speaking: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """int64 [n, 2]: first frame and the one after the last, of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, speaking, False].astype(np.int8)))
    return edges.astype(np.int64).reshape(-1, 2)


def _padded(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], count: int, prefix: int) -> tuple[Span, ...]:
    """Spans with `prefix` samples before each and SUFFIX_MS after it; in a pause too short for both, each gets its
    share of the pause.
    """
    suffix = ms_to_samples(SUFFIX_MS)
    ends = np.minimum(ends, count)
    pauses = starts[1:] - ends[:-1]
    after = np.minimum(suffix, pauses * suffix // (prefix + suffix))
    before = np.minimum(prefix, pauses - after)
    starts = starts - np.r_[np.minimum(prefix, starts[:1]), before]
    ends = np.minimum(ends + np.r_[after, suffix][: len(ends)], count)
    return tuple(Span(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
