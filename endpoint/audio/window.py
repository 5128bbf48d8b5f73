"""Audio -> Windows, cut in pauses. Pure; copies no samples.

With Spans of speech, windows hold the speech and the pauses within it; without, they cover everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from endpoint.types import SAMPLE_RATE, Audio, Samples, Span, Window

HOP = SAMPLE_RATE // 50  # samples: 20 ms
PAUSE_HOPS = 5  # 100 ms, about the shortest pause between phrases
SEARCH = 3  # the cut is looked for in the last third of a window, so that windows stay long

LONG_PAUSE = 5 * SAMPLE_RATE  # in no window: models make up text in long silences
EASY_PAUSE = SAMPLE_RATE // 2  # as good to cut in as any longer one
HARD_CUT = 0.3  # cost of a cut without a pause, in windows; the encoder takes the same time for every window
MARGIN = SAMPLE_RATE  # pause kept around a window: training recordings begin with a breath, not with a word
OVERLAP = 3 * SAMPLE_RATE  # of windows cut inside speech: holds some words whole, whatever the cut hits


def pack(audio: Audio, speech: Sequence[Span], longest: int) -> list[Window]:
    """Windows of at most `longest` samples that hold all of `speech`, few and cut in long pauses, in order.

    speech: in order, not overlapping. longest: samples at 16 kHz, at least 1. Windows overlap only inside a span longer
    than that, and `overlap` says by how much. No speech gives no windows. Raises ValueError.
    """
    _check(longest)
    parts = [part for span in speech for part in _parts(audio.samples, span, longest)]
    windows = []
    for first, last in _groups(parts, longest):
        start, end = parts[first].start, parts[last].end
        overlap = max(0, parts[first - 1].end - start) if first else 0
        windows.append(Window(start, audio.samples[start:end], tuple(parts[first : last + 1]), overlap))
    return windows


def _parts(samples: Samples, span: Span, longest: int) -> list[Span]:
    """The span, or where it is longer than a window, parts of it that overlap around its quiet points."""
    half = min(OVERLAP, longest // 4) // 2
    parts = []
    start = span.start
    while span.end - start > longest:
        latest = start + longest - half
        first = latest - longest // SEARCH
        split = first + quietest(samples[first:latest])
        parts.append(Span(start, split + half))
        start = split - half
    return [*parts, Span(start, span.end)]


def _groups(parts: Sequence[Span], longest: int) -> list[tuple[int, int]]:
    """First and last part of each window: the cheapest way to cut `parts` into windows."""
    costs, firsts = [0.0], list[int]()  # of the first k parts; where the last window of them begins
    for last in range(len(parts)):
        cost, first = min(
            (costs[first] + 1 + _cut_cost(parts, first), first) for first in _beginnings(parts, last, longest)
        )
        costs.append(cost)
        firsts.append(first)
    groups, last = list[tuple[int, int]](), len(parts) - 1
    while last >= 0:
        groups.append((firsts[last], last))
        last = firsts[last] - 1
    return groups[::-1]


def _beginnings(parts: Sequence[Span], last: int, longest: int) -> Iterator[int]:
    """The parts that a window ending with part `last` can begin with."""
    for first in range(last, -1, -1):
        if parts[last].end - parts[first].start > longest:
            return
        if first < last and parts[first + 1].start - parts[first].end > LONG_PAUSE:
            return
        yield first


def _cut_cost(parts: Sequence[Span], first: int) -> float:
    """Cost of the cut before part `first`, in windows."""
    if not first:
        return 0.0
    pause = parts[first].start - parts[first - 1].end
    return HARD_CUT * (1 - min(max(pause, 0), EASY_PAUSE) / EASY_PAUSE)


def widen(audio: Audio, windows: Sequence[Window], longest: int, low: int = 0, high: int | None = None) -> list[Window]:
    """The windows, each with up to MARGIN of the pauses around it, shared with its neighbour, as `longest` allows.

    windows: from `pack`. low, high: limits of all windows, in samples of the file; by default its ends. So a recording
    of speech that fits one window is transcribed nearly whole, as in other implementations.
    """
    ends = [window.start + len(window.samples) for window in windows]
    before = [low, *ends[:-1]]
    after = [*(window.start for window in windows[1:]), len(audio.samples) if high is None else high]
    made = []
    for k, window in enumerate(windows):
        room = max(0, longest - len(window.samples))
        first, last = window.start - before[k], after[k] - ends[k]  # pauses; between two windows each gets half
        lead = max(0, min(first if k == 0 else first // 2, MARGIN, room))
        tail = max(0, min(last if k == len(windows) - 1 else last // 2, MARGIN, room - lead))
        start, end = window.start - lead, ends[k] + tail
        made.append(replace(window, start=start, samples=audio.samples[start:end]) if lead or tail else window)
    return made


def cut(audio: Audio, longest: int, speech: Sequence[Span] = ()) -> list[Window]:
    """Cover the whole of `audio` with windows of 1 to `longest` samples, without gap or overlap, in order.

    longest: samples at 16 kHz, at least 1. No samples give no windows. speech: where there is some, in order; the
    windows carry what lies in them. Raises ValueError.
    """
    _check(longest)
    windows = []
    start, end = 0, len(audio.samples)
    while end - start > longest:
        first = start + longest - longest // SEARCH
        split = first + quietest(audio.samples[first : start + longest])
        windows.append(_with_speech(audio, speech, start, split))
        start = split
    if start < end:
        windows.append(_with_speech(audio, speech, start, end))
    return windows


def _with_speech(audio: Audio, speech: Sequence[Span], start: int, end: int) -> Window:
    inside = tuple(Span(max(s.start, start), min(s.end, end)) for s in speech if s.start < end and s.end > start)
    return Window(start, audio.samples[start:end], inside)


def halves(window: Window) -> tuple[Window, Window]:
    """The window in two parts, cut at the quietest point of its middle third."""
    third = len(window.samples) // 3
    split = window.start + third + quietest(window.samples[third : 2 * third])
    speech = tuple(Span(span.start, min(span.end, split)) for span in window.speech if span.start < split)
    first = replace(window, samples=window.samples[: split - window.start], speech=speech)
    return first, window.after(split)


def _check(longest: int) -> None:
    if longest < 1:
        raise ValueError(f"longest must be at least 1 sample, got {longest}")


def quietest(samples: Samples) -> int:
    """Middle of the quietest 100 ms of `samples`, an offset from 0 to their number; the latest of several.

    samples: int16 [n], 16 kHz. Fewer than 100 ms: their number.
    """
    hops = len(samples) // HOP
    if hops < PAUSE_HOPS:
        return len(samples)
    energy = np.square(samples[: hops * HOP].reshape(hops, HOP), dtype=np.float64).sum(axis=1)
    pause: npt.NDArray[np.float64] = np.convolve(energy, np.ones(PAUSE_HOPS), mode="valid")
    latest = len(pause) - 1 - int(np.argmin(pause[::-1]))
    return latest * HOP + PAUSE_HOPS * HOP // 2
