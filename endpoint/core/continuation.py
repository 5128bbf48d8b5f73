"""Decode a window fully: where its text ends before its speech does, the rest is decoded too. Few windows need it."""

from __future__ import annotations

from dataclasses import replace

from endpoint.audio.window import halves
from endpoint.core.fallback import decode_well
from endpoint.core.language import in_language
from endpoint.options import Options
from endpoint.tasks import together
from endpoint.text.coverage import unfinished_from
from endpoint.text.judge import is_silence
from endpoint.types import SAMPLE_RATE, Hypothesis, Window, WindowEngine

CONTINUATIONS = 3  # of one window
SHORTEST_HALVED = 5 * SAMPLE_RATE  # samples; the text of a shorter window fits within the token limit


async def decode_fully(
    engine: WindowEngine, window: Window, options: Options, until: int | None = None
) -> list[Hypothesis]:
    """Decode well; where the text ends clearly before the speech does, decode the rest of the window as well.

    until: sample of the file from which the next window has the sound too. Speech behind it is left to that window,
    which has the beginning of its first word.

    This is repeated up to CONTINUATIONS times, or until the model finds no speech in the rest. Words are timed last, so
    that missing text is found by the model's own times, whether words are asked for or not.
    """
    first = await decode_well(engine, window, options)
    if options.sampling.max_new_tokens is not None:  # the caller wants no more
        return [await _timed(engine, first, options)]
    if _cut_off(first) and len(first.pieces) == 1 and len(window.samples) >= SHORTEST_HALVED:
        return [h for half in halves(window) for h in await decode_fully(engine, half, options, until)]
    done = [_closed(first)]
    while len(done) <= CONTINUATIONS and (start := unfinished_from(done[-1])) is not None:
        if until is not None and start >= until:
            break
        rest = done[-1].window.after(start)
        found = await decode_well(engine, rest, in_language(options, rest, done[0]))
        done.append(_closed(found))
        if is_silence(done[-1], options.thresholds):
            break
    return await together(_timed(engine, hypothesis, options) for hypothesis in done)


def _cut_off(hypothesis: Hypothesis) -> bool:
    """Whether the token limit ended the text inside a piece."""
    return not hypothesis.complete and bool(hypothesis.pieces) and hypothesis.pieces[-1].end_ms is None


def _closed(hypothesis: Hypothesis) -> Hypothesis:
    """Without a piece that the token limit cut off, if there are others: decoding continues at that piece's start."""
    if not _cut_off(hypothesis) or len(hypothesis.pieces) < 2:
        return hypothesis
    return replace(hypothesis, pieces=hypothesis.pieces[:-1])


async def decode_once(engine: WindowEngine, window: Window, options: Options) -> Hypothesis:
    """Decode well, without a continuation where the text ends early."""
    return await _timed(engine, await decode_well(engine, window, options), options)


async def _timed(engine: WindowEngine, hypothesis: Hypothesis, options: Options) -> Hypothesis:
    if not options.words or is_silence(hypothesis, options.thresholds):  # a silent window gives no words
        return hypothesis
    return await engine.align(hypothesis, options.task)
