"""Decode a window well: again at higher temperatures where the first answer is bad, again in the file's language
where it disagrees with the rest. Both are bounded, and clean windows cost nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from endpoint.tasks import together
from endpoint.text.assemble import decide_language
from endpoint.text.coverage import unfinished_from
from endpoint.text.judge import believable, best, is_silence, needs_fallback
from endpoint.types import Engine, Hypothesis, Options, Window

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)  # the reference's ladder, after 0
CONTINUATIONS = 3  # of one window
SURE = 0.8  # a window this sure of its own language keeps it, whatever the file's is


async def decode_well(engine: Engine, window: Window, options: Options) -> Hypothesis:
    """Decode once; at temperature 0 and with a bad result, up the ladder until one is good. Only believable text."""
    options = options if window.language is None else replace(options, language=window.language)
    attempts = [believable(await engine.decode(window, options))]
    if options.temperature == 0:
        for temperature in TEMPERATURES:
            if not needs_fallback(attempts[-1]):
                break
            attempts.append(believable(await engine.decode(window, replace(options, temperature=temperature))))
    return best(attempts) if needs_fallback(attempts[-1]) else attempts[-1]


async def decode_fully(engine: Engine, window: Window, options: Options) -> list[Hypothesis]:
    """Decode well; and where the text ends clearly before the speech does, decode the rest again from there.

    Words are timed last: whether text is missing is judged by the times the model gave, with words and without. A rest
    in which the model hears nothing is the last of them.
    """
    done = [await decode_well(engine, window, options)]
    while len(done) <= CONTINUATIONS and (start := unfinished_from(done[-1])) is not None:
        rest = done[-1].window.after(start)
        done.append(await decode_well(engine, rest, replace(options, language=options.language or done[0].language)))
        if is_silence(done[-1]):
            break
    return await together(_timed(engine, hypothesis, options) for hypothesis in done)


async def _timed(engine: Engine, hypothesis: Hypothesis, options: Options) -> Hypothesis:
    if not options.words or is_silence(hypothesis):  # no words will come of a silent one
        return hypothesis
    return await engine.align(hypothesis, options.task)


async def settle_language(
    engine: Engine, hypotheses: Sequence[Hypothesis], options: Options, before: Sequence[Hypothesis] = ()
) -> list[Hypothesis]:
    """Windows that weakly heard another language than the file's are decoded again in the file's.

    before: what was heard earlier in the file and is settled; it counts for the file's language.
    """
    if options.language is not None or options.multilingual or len(before) + len(hypotheses) < 2:
        return list(hypotheses)
    language, _ = decide_language([*before, *hypotheses], options)
    settled = replace(options, language=language)

    async def settle(hypothesis: Hypothesis) -> Hypothesis:
        if hypothesis.language == language or hypothesis.language_probabilities.get(hypothesis.language, 1.0) >= SURE:
            return hypothesis
        again = await _timed(engine, await decode_well(engine, hypothesis.window, settled), settled)
        return replace(again, language_probabilities=hypothesis.language_probabilities)

    return await together(map(settle, hypotheses))
