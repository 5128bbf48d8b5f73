"""Recordings in several languages: where each is spoken is heard first, so that no window holds two.

Whisper follows one language a window. A first look of one decoder step at every few seconds of speech costs an
encoder pass each; it is taken only for `language=multi`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from endpoint.audio.window import pack
from endpoint.tasks import together
from endpoint.types import SAMPLE_RATE, Audio, Engine, Hypothesis, Options, Span, Window

LOOK = 5 * SAMPLE_RATE  # samples of speech judged at once: a sentence or two
SURE = 0.8  # a look less sure than this follows its neighbours where both agree


async def pack_by_language(
    engine: Engine, audio: Audio, speech: Sequence[Span], longest: int, options: Options
) -> list[Window]:
    """Windows of at most `longest` samples in pauses, each with the one language heard in it."""
    looks = pack(audio, speech, min(LOOK, longest))
    heard = await together(engine.detect(look, options) for look in looks)
    windows: list[Window] = []
    for code, group in groupby(zip(agree(heard), looks, strict=True), key=lambda pair: pair[0]):
        spans = merged([span for _, look in group for span in look.speech])
        windows += [replace(window, language=code) for window in pack(audio, spans, longest)]
    for k in range(1, len(windows)):  # where the language changed without a pause
        shared = windows[k - 1].start + len(windows[k - 1].samples) - windows[k].start
        windows[k] = replace(windows[k], overlap=max(windows[k].overlap, shared, 0))
    return windows


def agree(heard: Sequence[Hypothesis]) -> list[str]:
    """The language of each look; an unsure one between two that agree is theirs."""
    codes = [look.language for look in heard]
    for k in range(1, len(codes) - 1):
        unsure = heard[k].language_probabilities.get(codes[k], 1.0) < SURE
        if unsure and codes[k - 1] == heard[k + 1].language:
            codes[k] = codes[k - 1]
    return codes


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans in order, those that overlap made one."""
    out: list[Span] = []
    for span in spans:
        if out and span.start < out[-1].end:
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end))
        else:
            out.append(span)
    return out
