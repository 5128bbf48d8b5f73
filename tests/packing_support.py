"""An engine that reads words out of the samples, so that tests know which words belong to which clip."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np

from endpoint.core.packing import LEAN, PackingEngine
from endpoint.options import Options, Task
from endpoint.types import SAMPLE_RATE, TIMESTAMP_MS, EngineInfo, Hypothesis, Piece, Span, Window

ZERO = 1000  # id of the timestamp 0.00
WORD = 6400  # samples, 400 ms, of a word
ENGLISH = Options(language="en")
GAP = SAMPLE_RATE
LEAN_MS = int(LEAN * 1000)

Change = Callable[[Hypothesis], Hypothesis]


def clip(*words: int, start: int = 0, quiet: int = 3200) -> Window:
    """Words spoken one after the other, `quiet` samples of silence around them, with the span of speech."""
    sound = np.repeat(np.array(words, np.int16), WORD)
    samples = np.concatenate([np.zeros(quiet, np.int16), sound, np.zeros(quiet, np.int16)])
    return Window(start, samples, (Span(start + quiet, start + quiet + len(sound)),))


def stamp(milliseconds: int) -> int:
    return ZERO + milliseconds // TIMESTAMP_MS


def piece(start: int, end: int, *words: int) -> Piece:
    return Piece(start, end, (stamp(start), *words, stamp(end)), "".join(f" w{word}" for word in words))


def hypothesis(window: Window, *pieces: Piece, logprob: float = -0.2, **more: object) -> Hypothesis:
    tokens = tuple(token for each in pieces for token in each.tokens)
    base = Hypothesis(
        window=window,
        tokens=tokens,
        pieces=pieces,
        language="en",
        language_probabilities={"en": 1.0},
        no_speech_prob=0.01,
        avg_logprob=logprob,
        temperature=0.0,
        input_tokens=1,
        logprobs=(logprob,) * len(tokens),
    )
    return replace(base, **more)


def read(window: Window) -> Hypothesis:
    """A segment for each stretch of sound, its words by their values."""
    sound = np.flatnonzero(window.samples)
    if not len(sound):
        return hypothesis(window)
    pieces = []
    for stretch in np.split(sound, np.flatnonzero(np.diff(sound) > 1) + 1):
        start, end = (int(at) * 1000 // SAMPLE_RATE for at in (stretch[0], stretch[-1] + 1))
        pieces.append(piece(start, end, *(int(word) for word in window.samples[stretch[::WORD]])))
    return hypothesis(window, *pieces)


class Reader:
    """An engine that recognizes what `clip` wrote. seen: seconds and options of each window it was given.

    change: applied to the hypotheses of packed windows.
    """

    info = EngineInfo("reader", "fake", "1", "none", "none")

    def __init__(self, change: Change | None = None, delay: float = 0.0) -> None:
        self.change, self.delay = change, delay
        self.seen: list[tuple[float, Options]] = []
        self.failing: Exception | None = None
        self.started = self.closed = self.cancelled = 0

    async def start(self) -> None:
        self.started += 1

    async def check(self) -> None:
        if self.failing:
            raise self.failing

    async def close(self) -> None:
        self.closed += 1

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.seen.append((len(window.samples) / SAMPLE_RATE, options))
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await self.check()
        recognized = replace(read(window), temperature=options.temperature)
        return self.change(recognized) if self.change and not window.speech else recognized

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        return hypothesis(window, language="de")

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        return replace(hypothesis, pieces=tuple(replace(piece, words=()) for piece in hypothesis.pieces))


def all_of(engine: PackingEngine, *windows: Window, options: Options = ENGLISH) -> Awaitable[list[Hypothesis]]:
    return asyncio.gather(*(engine.decode(window, options) for window in windows))


def same(made: Hypothesis, alone: Hypothesis) -> bool:
    """Equal but for the sums of floats."""
    return math.isclose(made.avg_logprob, alone.avg_logprob) and made == replace(alone, avg_logprob=made.avg_logprob)
