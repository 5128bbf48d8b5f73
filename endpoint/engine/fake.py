"""A deterministic engine without a model: for unit tests, and load tests of everything but the model.

It recognizes one word per second of sound that is not silent, chosen by the level of that second, with a segment per
run of such seconds. The same samples give the same words. A second of digital silence gives nothing.

ENGINE_ARGS has its arguments: {"delay": 0.05, "at_once": 4, "log": "windows.txt", "die": "hotel"}.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
import zlib
from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from endpoint.errors import EngineFailed
from endpoint.options import Options, Task
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, EngineInfo, Hypothesis, Notice, Piece, Samples, Window, Word

WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")
FIRST_TIME = 50_365  # large-v3's <|0.00|>
_SILENT = 1e-4  # root mean square of full scale


class FakeEngine:
    """delay: seconds each window takes. at_once: windows side by side, others wait; 0: any number. Fails every window
    once `fail` is set.

    log: a file that gets a line for each window that is begun: time, process, checksum of its samples. die: a word; the
    process is killed by a window that has it.
    """

    def __init__(self, info: EngineInfo, delay: float = 0.0, log: str = "", die: str = "", at_once: int = 0) -> None:
        self._info, self.delay, self._log, self._die = info, delay, log, die
        self._slots = asyncio.Semaphore(at_once) if at_once else nullcontext()
        self.fail = False
        self.running = self.most_running = self.cancelled = self.decoded = 0

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def start(self) -> None:
        await asyncio.sleep(0)

    async def check(self) -> None:
        if self.fail:
            raise EngineFailed("the fake engine was set to fail")

    async def steps(self) -> tuple[int, int]:
        """A step for each window."""
        return self.decoded, self.decoded

    async def close(self) -> None:
        await asyncio.sleep(0)

    def check_options(self, options: Options) -> tuple[Notice, ...]:
        return ()

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        await self.check()
        self.running += 1
        self.decoded += 1
        self.most_running = max(self.most_running, self.running)
        try:
            async with self._slots:
                if self._log:
                    self._note(window)
                await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if self._die and self._die in _words(window.samples):
            os.kill(os.getpid(), signal.SIGKILL)
        return self._recognize(window, options)

    def _note(self, window: Window) -> None:
        """One write, so that lines of several processes do not mix, and nothing is lost with the process."""
        line = f"{time.time():.4f} {os.getpid()} {zlib.crc32(window.samples.tobytes()):08x}\n"
        target = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(target, line.encode())
        finally:
            os.close(target)

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        """All words of a piece get the same length."""
        return replace(hypothesis, pieces=tuple(_timed(piece) for piece in hypothesis.pieces))

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        return replace(await self.decode(window, Options(languages=options.languages)), pieces=(), tokens=())

    def _recognize(self, window: Window, options: Options) -> Hypothesis:
        pieces, run, began = list[Piece](), list[str](), 0
        words = [*_words(window.samples), None]
        for second, word in enumerate(words):
            if word is not None:
                began = second if not run else began
                run.append(word)
            elif run:
                end_ms = min(second * 1000, window.end_ms - window.start_ms)
                text = "".join(f" {w}" for w in run)
                ids = (FIRST_TIME + began * 50, *range(len(run)), FIRST_TIME + end_ms // 20)
                pieces.append(Piece(began * 1000, end_ms, ids, text))
                run = []
        language = options.language or (options.languages or ("en",))[0]
        return Hypothesis(
            window=window,
            tokens=tuple(t for piece in pieces for t in piece.tokens),
            pieces=tuple(pieces),
            language=language,
            language_probabilities={language: 1.0},
            no_speech_prob=0.01 if pieces else 0.99,
            avg_logprob=-0.1 if pieces else -2.0,
            temperature=options.temperature,
            input_tokens=1 + len((options.prompt or "").split()),
        )


def _timed(piece: Piece) -> Piece:
    texts, end_ms = piece.text.split(), piece.end_ms or piece.start_ms
    step = (end_ms - piece.start_ms) / len(texts)
    edges = [round(piece.start_ms + k * step) for k in range(len(texts) + 1)]
    return replace(piece, words=tuple(Word(f" {text}", edges[k], edges[k + 1]) for k, text in enumerate(texts)))


def _words(samples: Samples) -> list[str | None]:
    """A word for each second of int16 [n] at 16 kHz, None where it is silent."""
    words: list[str | None] = []
    for start in range(0, len(samples), SAMPLE_RATE):
        second = samples[start : start + SAMPLE_RATE].astype(np.float64) / PCM_FULL_SCALE
        level = float(np.sqrt(np.mean(second**2)))
        words.append(WORDS[int(level * 10_000) % len(WORDS)] if level > _SILENT else None)
    return words
