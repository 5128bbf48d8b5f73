"""Decode one window well: where the first result is bad, again at higher temperatures.

As openai/whisper's transcribe.py, with three differences. Repetition that was spoken is no failure. Candidates of a
temperature are decoded in parallel and the best is kept. And the result is the best of all attempts by
`Attempt.score`, so a fallback never makes a window worse than its first attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

from endpoint.core.language import in_language
from endpoint.options import BEST_OF, Options, Sampling
from endpoint.tasks import together
from endpoint.text.judge import (
    LOOP_COST,
    believable,
    is_loop,
    is_silence,
    is_unsure,
    longest_common_run,
    repeats_itself,
)
from endpoint.types import Hypothesis, Samples, Window, WindowEngine

ECHO_WORDS = 5  # a run this long that prompt and text have in common is checked against the sound


@dataclass(frozen=True)
class Attempt:
    """A hypothesis of a window, judged. loops: it repeats itself, but the speech does not. good: needs no fallback."""

    hypothesis: Hypothesis
    loops: bool
    good: bool

    @property
    def score(self) -> float:
        """Compares attempts: the average log-probability at temperature 1, less LOOP_COST for a loop."""
        return self.hypothesis.avg_logprob - (LOOP_COST if self.loops else 0.0)


async def decode_well(engine: WindowEngine, window: Window, options: Options) -> Hypothesis:
    """The best hypothesis of a window. At temperature 0, a bad one is decoded again at higher temperatures."""
    options = in_language(options, window)
    if options.temperature > 0:
        return (await _sampled(engine, window, options, options.sampling.best_of or 1)).hypothesis
    first = await _attempt(engine, window, options)
    if (options.prompt or options.hotwords) and (not first.good or _echoes(first.hypothesis.text, options)):
        first, options = await _unprompted(engine, window, options, first)
    if first.good:
        return first.hypothesis
    attempts = [first]
    for temperature in _ladder(options.sampling):
        hotter = replace(options, temperature=temperature)
        attempts.append(await _sampled(engine, window, hotter, options.sampling.best_of or BEST_OF))
        if attempts[-1].good or _hopeless(attempts):
            break
    return max(attempts, key=lambda attempt: attempt.score).hypothesis


async def _unprompted(
    engine: WindowEngine, window: Window, options: Options, first: Attempt
) -> tuple[Attempt, Options]:
    """The better of the first attempt and one without the prompt, and the options to go on with.

    The model may copy words of the prompt that were not spoken, or be less sure because of them. Words of the prompt
    in the text count as spoken where the attempt without the prompt has them too.
    """
    plain = in_language(replace(options, prompt=None, hotwords=None), window, first.hypothesis)
    other = await _attempt(engine, window, plain)
    if _echoes(first.hypothesis.text, options) and not _echoes(other.hypothesis.text, options):
        return other, plain
    return (first, options) if first.good else (max(first, other, key=lambda attempt: attempt.score), plain)


def _echoes(text: str, options: Options) -> bool:
    return longest_common_run(" ".join(filter(None, (options.hotwords, options.prompt))), text) >= ECHO_WORDS


def _ladder(sampling: Sampling) -> list[float]:
    """The temperatures after 0: the reference's are 0.2 to 1.0."""
    step = sampling.temperature_increment
    return [round(step * k, 4) for k in range(1, round(1 / step + 0.5) + 1) if step * k < 1 + 1e-6] if step > 0 else []


def _hopeless(attempts: list[Attempt]) -> bool:
    """Two temperatures in a row made it worse, and nothing loops: a higher one would be worse still."""
    if len(attempts) < 3 or any(attempt.loops for attempt in attempts[-3:]):
        return False
    before, between, last = (attempt.score for attempt in attempts[-3:])
    return last < between < before


async def _sampled(engine: WindowEngine, window: Window, options: Options, count: int) -> Attempt:
    """The best of `count` attempts at a temperature above 0, decoded in parallel."""
    seed = _seed(window.samples) if options.sampling.seed is None else options.sampling.seed
    seed += round(options.temperature * 1_000) * BEST_OF
    candidates = await together(
        _attempt(engine, window, replace(options, sampling=replace(options.sampling, seed=seed + number)))
        for number in range(count)
    )
    return max(candidates, key=lambda attempt: (attempt.good, attempt.score))


def _seed(samples: Samples) -> int:
    """A seed made from the samples, so that the same sound gives the same text."""
    return int.from_bytes(blake2b(samples.tobytes(), digest_size=6).digest(), "big")


async def _attempt(engine: WindowEngine, window: Window, options: Options) -> Attempt:
    hypothesis = believable(await engine.decode(window, options))
    thresholds = options.thresholds
    if is_silence(hypothesis, thresholds):
        return Attempt(hypothesis, loops=False, good=True)
    loops = repeats_itself(hypothesis, thresholds) and await _loops(engine, hypothesis, options)
    if not loops and repeats_itself(hypothesis, thresholds) and hypothesis.pieces[-1].end_ms is None:
        hypothesis = replace(hypothesis, complete=False)  # the decoding rules took it for a loop and ended it
    return Attempt(hypothesis, loops, good=not loops and not is_unsure(hypothesis, thresholds))


async def _loops(engine: WindowEngine, hypothesis: Hypothesis, options: Options) -> bool:
    timed = await engine.align(hypothesis, options.task)
    return is_loop(timed.words or (), hypothesis.window)
