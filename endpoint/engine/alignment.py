"""Word times for hypotheses: asks the worker for attention, many windows a call, and warps it. One event loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import numpy.typing as npt

from endpoint.engine.attention import Attention, Call, Request
from endpoint.engine.time_warping import first_frames
from endpoint.engine.tokens import WhisperTokens
from endpoint.engine.words import strayed, time_words
from endpoint.options import Task
from endpoint.types import SAMPLE_RATE, TIMESTAMP_MS, TIMESTAMP_SAMPLES, Hypothesis

BATCH = 16  # windows a call; the engine decodes nothing meanwhile

Attend = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True)
class _Job:
    hypothesis: Hypothesis
    request: Request
    done: asyncio.Future[Attention]


class Aligner:
    """attend: the worker's whisper_attend. heads: (layer, head) that follow the words."""

    def __init__(self, tokens: WhisperTokens, heads: Sequence[tuple[int, int]], attend: Attend) -> None:
        self._tokens, self._heads, self._attend = tokens, list(heads), attend
        self._waiting: list[_Job] = []
        self._running: asyncio.Task[None] | None = None

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        """The hypothesis with its words. Raises what the worker raises."""
        text = [token for piece in hypothesis.pieces for token in piece.tokens if token < self._tokens.eot]
        if not text:
            return replace(hypothesis, pieces=tuple(replace(piece, words=()) for piece in hypothesis.pieces))
        job = _Job(hypothesis, self._request(hypothesis, task, text), asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        attention = await job.done
        return await asyncio.to_thread(self._timed, hypothesis, attention)

    def _request(self, hypothesis: Hypothesis, task: Task, text: list[int]) -> Request:
        tokens = self._tokens
        prefix = [tokens.sot]
        if tokens.multilingual:
            named = tokens.translate if task is Task.TRANSLATE else tokens.transcribe
            prefix += [tokens.languages[hypothesis.language], named]
        ids = [*prefix, tokens.no_timestamps, *text, tokens.eot]
        # Frames as the reference counts them: of 10 ms, then halved.
        frames = len(hypothesis.window.samples) // (TIMESTAMP_SAMPLES // 2) // 2
        return Request(hypothesis.key, ids, len(prefix) + 1, max(1, min(frames, 1_500)))

    async def _run(self) -> None:
        """Make one call after the other while jobs wait. Jobs that were cancelled meanwhile are left out."""
        while self._waiting:
            jobs = [job for job in self._waiting[:BATCH] if not job.done.done()]
            del self._waiting[:BATCH]
            if not jobs:
                continue
            try:
                await self._serve(jobs)
            except Exception as error:
                for job in jobs:
                    if not job.done.done():
                        job.done.set_exception(error)

    async def _serve(self, jobs: list[_Job]) -> None:
        found = await self._call([job.request for job in jobs])
        lost = [k for k, attention in enumerate(found) if not attention.rows]
        if lost:  # the encoder's output was dropped meanwhile: encode again
            again = [
                msgspec.structs.replace(jobs[k].request, samples=jobs[k].hypothesis.window.samples.tobytes())
                for k in lost
            ]
            for k, attention in zip(lost, await self._call(again), strict=True):
                found[k] = attention
        for job, attention in zip(jobs, found, strict=True):
            if not job.done.done():
                job.done.set_result(attention)

    async def _call(self, requests: list[Request]) -> list[Attention]:
        response = await self._attend(msgspec.msgpack.encode(Call(self._heads, requests)))
        return msgspec.msgpack.decode(response, type=list[Attention])

    def _timed(self, hypothesis: Hypothesis, attention: Attention) -> Hypothesis:
        """Runs in a thread: the compiled warping holds no GIL and does not block the event loop."""
        starts = self._warped(hypothesis, attention.matrix())
        chances = token_probabilities(hypothesis, self._tokens.eot)
        return time_words(hypothesis, starts, chances, self._tokens.decode, self._tokens.eot)

    def _warped(self, hypothesis: Hypothesis, matrix: npt.NDArray[np.float32]) -> list[int]:
        """Milliseconds at which each text token begins, and the last one ends.

        A piece with a word outside of its timestamps is warped again, within them: they are the more reliable.
        """
        starts = first_frames(matrix) * TIMESTAMP_MS
        for rows, start, end in strayed(hypothesis, starts.tolist(), self._tokens.decode, self._tokens.eot):
            first = start // TIMESTAMP_MS
            inside = matrix[rows, first : -(-end // TIMESTAMP_MS)]
            if not inside.size:
                continue
            starts[rows] = (first_frames(inside) + first) * TIMESTAMP_MS
            starts[: rows.start] = np.minimum(starts[: rows.start], starts[rows.start])
            starts[rows.stop :] = np.maximum(starts[rows.stop :], starts[rows.stop - 1])
        found: list[int] = starts.tolist()
        return found


def token_probabilities(hypothesis: Hypothesis, eot: int) -> list[float]:
    """Probability, 0 to 1, of each text token of the pieces. Blank tokens, which are in no piece, are skipped."""
    generated = iter(zip(hypothesis.tokens, hypothesis.logprobs, strict=True))
    found = []
    for wanted in (token for piece in hypothesis.pieces for token in piece.tokens):
        logprob = next(logprob for token, logprob in generated if token == wanted)
        if wanted < eot:
            found.append(math.exp(logprob))
    return found


def warm_up() -> None:
    """Compile the warping: seconds at start, not in the first request."""
    first_frames(np.zeros((2, SAMPLE_RATE // 320), np.float32))
