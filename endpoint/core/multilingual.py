"""Recordings in several languages: the language is detected before windows are cut, so that no window has two.

Whisper decodes a window in one language. A probe detects the language of a few seconds of speech: an encoder pass and
one decoder step, so this is done only for `language=multi`. Probes that are unsure, or next to a change of language,
are split and detected again. Then the likeliest sequence of languages is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from endpoint.audio.window import pack
from endpoint.options import Options
from endpoint.tasks import together
from endpoint.types import SAMPLE_RATE, Audio, Hypothesis, Span, Window, WindowEngine

PROBE = 5 * SAMPLE_RATE  # samples of speech in a probe: a sentence or two
PART = 2 * SAMPLE_RATE  # samples of the parts that a doubtful probe is split into: a phrase
SURE = 0.8  # a probe whose language is less likely than this is doubtful
CHANGE = 1.5  # cost of a change of language, in natural-log probability
LEAST = 0.01  # least probability of a language in a probe, so that no single probe decides


async def pack_by_language(
    engine: WindowEngine, audio: Audio, speech: Sequence[Span], longest: int, options: Options
) -> list[Window]:
    """Windows of at most `longest` samples, cut in pauses, each with its one language."""
    probes = await together(engine.detect(part, options) for part in pack(audio, speech, min(PROBE, longest)))
    probes = await refine(engine, audio, probes, options)
    windows: list[Window] = []
    for code, group in groupby(zip(course(probes), probes, strict=True), key=lambda pair: pair[0]):
        spans = merged([span for _, probe in group for span in probe.window.speech])
        windows += [replace(window, language=code) for window in pack(audio, spans, longest)]
    for k in range(1, len(windows)):  # where the language changed without a pause
        shared = windows[k - 1].start + len(windows[k - 1].samples) - windows[k].start
        windows[k] = replace(windows[k], overlap=max(windows[k].overlap, shared, 0))
    return windows


async def refine(
    engine: WindowEngine, audio: Audio, probes: Sequence[Hypothesis], options: Options
) -> list[Hypothesis]:
    """The probes in order, doubtful ones split into parts of at most PART samples that are detected again."""

    async def again(probe: Hypothesis) -> list[Hypothesis]:
        parts = pack(audio, probe.window.speech, PART)
        return [probe] if len(parts) < 2 else await together(engine.detect(part, options) for part in parts)

    doubts = doubtful(probes)
    split = dict(zip(doubts, await together(again(probes[k]) for k in doubts), strict=True))
    return [part for k, probe in enumerate(probes) for part in split.get(k, [probe])]


def doubtful(probes: Sequence[Hypothesis]) -> list[int]:
    """Indices of probes that may hold two languages: those that are unsure, and those on both sides of a change."""
    codes = [probe.language for probe in probes]
    return [
        k
        for k, probe in enumerate(probes)
        if probe.language_probabilities.get(codes[k], 1.0) < SURE or {*codes[max(0, k - 1) : k + 2]} != {codes[k]}
    ]


def course(probes: Sequence[Hypothesis]) -> list[str]:
    """The language of each probe in the likeliest sequence (Viterbi), in which each change costs CHANGE.

    A probe is weighted by its probability of speech.
    """
    if not probes:
        return []
    codes = sorted({code for probe in probes for code in probe.language_probabilities})
    shares = [[probe.language_probabilities.get(code, 0.0) for code in codes] for probe in probes]
    speech = np.array([[1.0 - probe.no_speech_prob] for probe in probes])
    scores = speech * np.log(np.maximum(shares, LEAST))
    total, before = scores[0], list[npt.NDArray[np.intp]]()
    for score in scores[1:]:
        changed = total.max() - CHANGE
        before.append(np.where(total >= changed, np.arange(len(codes)), total.argmax()))
        total = np.maximum(total, changed) + score
    found = [int(total.argmax())]
    for links in reversed(before):
        found.append(int(links[found[-1]]))
    return [codes[number] for number in reversed(found)]


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans in order; those that overlap are merged."""
    out: list[Span] = []
    for span in spans:
        if out and span.start < out[-1].end:
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end))
        else:
            out.append(span)
    return out
