"""Recordings in several languages: where each is spoken is heard first, so that no window holds two.

Whisper follows one language a window. A first look of one decoder step at every few seconds of speech costs an
encoder pass each; it is taken only for `language=multi`. Looks that are unsure, or that lie at a change, are taken
again in smaller parts, and the likeliest course of languages through all of them counts.
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

LOOK = 5 * SAMPLE_RATE  # samples of speech judged at once: a sentence or two
CLOSER = 2 * SAMPLE_RATE  # of the parts that doubtful looks are taken again in: a phrase
SURE = 0.8  # a look less sure than this is doubtful
CHANGE = 1.5  # what a change of language costs, in natural-log probability
LEAST = 0.01  # probability of a language at a look, however little it was heard there: no single look decides


async def pack_by_language(
    engine: WindowEngine, audio: Audio, speech: Sequence[Span], longest: int, options: Options
) -> list[Window]:
    """Windows of at most `longest` samples in pauses, each with the one language heard in it."""
    looks = pack(audio, speech, min(LOOK, longest))
    heard = await together(engine.detect(look, options) for look in looks)
    heard = await look_closer(engine, audio, heard, options)
    windows: list[Window] = []
    for code, group in groupby(zip(course(heard), heard, strict=True), key=lambda pair: pair[0]):
        spans = merged([span for _, look in group for span in look.window.speech])
        windows += [replace(window, language=code) for window in pack(audio, spans, longest)]
    for k in range(1, len(windows)):  # where the language changed without a pause
        shared = windows[k - 1].start + len(windows[k - 1].samples) - windows[k].start
        windows[k] = replace(windows[k], overlap=max(windows[k].overlap, shared, 0))
    return windows


async def look_closer(
    engine: WindowEngine, audio: Audio, heard: Sequence[Hypothesis], options: Options
) -> list[Hypothesis]:
    """The looks in order, doubtful ones in parts of at most CLOSER, each looked at by itself."""

    async def again(look: Hypothesis) -> list[Hypothesis]:
        parts = pack(audio, look.window.speech, CLOSER)
        return [look] if len(parts) < 2 else await together(engine.detect(part, options) for part in parts)

    doubts = doubtful(heard)
    closer = dict(zip(doubts, await together(again(heard[k]) for k in doubts), strict=True))
    return [part for k, look in enumerate(heard) for part in closer.get(k, [look])]


def doubtful(heard: Sequence[Hypothesis]) -> list[int]:
    """Which looks may hold two languages: those that are unsure, and those on both sides of a change."""
    codes = [look.language for look in heard]
    return [
        k
        for k, look in enumerate(heard)
        if look.language_probabilities.get(codes[k], 1.0) < SURE or {*codes[max(0, k - 1) : k + 2]} != {codes[k]}
    ]


def course(heard: Sequence[Hypothesis]) -> list[str]:
    """The language of each look on the likeliest way through all of them (Viterbi), where each change costs CHANGE.

    A look counts by how much it is speech at all.
    """
    if not heard:
        return []
    codes = sorted({code for look in heard for code in look.language_probabilities})
    shares = [[look.language_probabilities.get(code, 0.0) for code in codes] for look in heard]
    speech = np.array([[1.0 - look.no_speech_prob] for look in heard])
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
    """Spans in order, those that overlap made one."""
    out: list[Span] = []
    for span in spans:
        if out and span.start < out[-1].end:
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end))
        else:
            out.append(span)
    return out
