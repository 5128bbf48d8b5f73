"""Windows that wait for their words go to the worker together; who gives up costs nothing; a failure reaches all."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from endpoint.config import DEMO_MODEL
from endpoint.engine.tokens import WhisperTokens
from endpoint.types import Hypothesis, Piece, Task, Window

pytest.importorskip("numba", reason="the base build has no engine")
from endpoint.engine.align import Attention, Call
from endpoint.engine.aligner import BATCH, Aligner, token_probabilities

TOKENS = WhisperTokens.load(DEMO_MODEL)
TEXT = " hello friend open"


def heard(text: str = TEXT, *, key: str = "words-1", language: str = "en", seconds: float = 4.0) -> Hypothesis:
    """`text` said from 0 to 2 s of a window."""
    ids = (TOKENS.first_time, *TOKENS.encode(text), TOKENS.first_time + 100) if text else ()
    pieces = (Piece(0, 2_000, ids, text),) if text else ()
    window = Window(0, np.random.default_rng(1).normal(0, 900, int(seconds * 16_000)).astype(np.int16))
    base = Hypothesis(window, ids, pieces, language, {language: 1.0}, 0.01, -0.2, 0.0)
    return replace(base, logprobs=(-0.1,) * len(ids), key=key)


class Worker:
    """Attention on a diagonal, 20 frames a token; `lost` keys are known only by their samples."""

    def __init__(self) -> None:
        self.calls, self.lost, self.failure = list[Call](), set[str](), None
        self.gate = asyncio.Event()
        self.gate.set()

    async def attend(self, call: bytes) -> bytes:
        asked = msgspec.msgpack.decode(call, type=Call)
        self.calls.append(asked)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        answers = []
        for request in asked.requests:
            if request.key in self.lost and request.samples is None:
                answers.append(Attention(0, 0, b""))
                continue
            rows = len(request.ids) - request.first
            matrix = np.full((rows, request.frames), -1, np.float32)
            for row in range(rows):
                matrix[row, 20 * row : 20 * row + 20 if row + 1 < rows else None] = 1
            answers.append(Attention(rows, request.frames, matrix.tobytes()))
        return msgspec.msgpack.encode(answers)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def aligner(worker: Worker) -> Aligner:
    return Aligner(TOKENS, [(2, 0)], worker.attend)


async def test_a_window_is_asked_for_as_the_reference_prompts_it(aligner: Aligner, worker: Worker):
    await aligner.align(heard(language="fr"), Task.TRANSLATE)
    ((request,),) = (call.requests for call in worker.calls)
    prefix = [TOKENS.sot, TOKENS.languages["fr"], TOKENS.translate, TOKENS.no_timestamps]
    assert request.ids == [*prefix, *TOKENS.encode(TEXT), TOKENS.eot]
    assert (request.first, request.frames, request.samples) == (4, 200, None)


async def test_words_are_timed_by_their_tokens(aligner: Aligner):
    done = await aligner.align(heard(), Task.TRANSCRIBE)
    assert "".join(word.text for word in done.words) == TEXT
    sizes = [len(TOKENS.encode(word.text)) for word in done.words]
    edges = np.concatenate([[0], np.cumsum(sizes)]) * 400
    assert [(word.start_ms, word.end_ms) for word in done.words] == list(itertools.pairwise(edges))
    assert (done.pieces[0].start_ms, done.pieces[0].end_ms) == (edges[0], edges[-1])
    assert done.words[0].probability == pytest.approx(np.exp(-0.1))


async def test_a_window_without_text_asks_nothing(aligner: Aligner, worker: Worker):
    assert (await aligner.align(heard(""), Task.TRANSCRIBE)).words == ()
    assert worker.calls == []


async def test_windows_that_wait_go_together(aligner: Aligner, worker: Worker):
    worker.gate.clear()
    tasks = [asyncio.create_task(aligner.align(heard(key=f"words-{k}"), Task.TRANSCRIBE)) for k in range(BATCH + 4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    worker.gate.set()
    assert all(done.words for done in await asyncio.gather(*tasks))
    keys = [[request.key for request in call.requests] for call in worker.calls]
    assert max(map(len, keys)) <= BATCH
    assert sorted(itertools.chain(*keys)) == sorted(f"words-{k}" for k in range(BATCH + 4))
    assert len(keys) == 2


async def test_what_the_worker_dropped_is_encoded_again(aligner: Aligner, worker: Worker):
    worker.lost = {"words-2"}
    hypotheses = [heard(key=f"words-{k}") for k in range(4)]
    done = await asyncio.gather(*(aligner.align(hypothesis, Task.TRANSCRIBE) for hypothesis in hypotheses))
    assert all(hypothesis.words for hypothesis in done)
    again = worker.calls[-1].requests
    assert [(request.key, request.samples) for request in again] == [
        ("words-2", hypotheses[2].window.samples.tobytes())
    ]


async def test_a_failure_reaches_every_waiter_and_the_next_window_is_served(aligner: Aligner, worker: Worker):
    worker.failure = RuntimeError("out of memory")
    results = await asyncio.gather(*(aligner.align(heard(), Task.TRANSCRIBE) for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["out of memory"] * 3
    worker.failure = None
    assert (await aligner.align(heard(), Task.TRANSCRIBE)).words


async def test_who_gives_up_while_waiting_is_never_asked_for(aligner: Aligner, worker: Worker):
    worker.gate.clear()
    first = asyncio.create_task(aligner.align(heard(key="words-first"), Task.TRANSCRIBE))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(aligner.align(heard(key=f"words-{k}"), Task.TRANSCRIBE)) for k in range(3)]
    await asyncio.sleep(0.01)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    worker.gate.set()
    assert (await first).words
    await aligner._running
    assert [request.key for call in worker.calls for request in call.requests] == ["words-first"]
    assert aligner._waiting == []


def test_probabilities_pass_over_what_made_no_piece():
    """A blank piece is dropped, its tokens stay among the hypothesis's."""
    blank, begin = TOKENS.encode(" ")[0], TOKENS.first_time
    one, two = TOKENS.encode(" hello"), TOKENS.encode(" friend")
    spoken = (begin, *one, begin + 9), (begin + 20, *two, begin + 30)
    ids = (*spoken[0], begin + 10, blank, begin + 11, *spoken[1])
    chances = {**dict.fromkeys(one, -1.0), blank: -5.0, **dict.fromkeys(two, -2.0)}
    base = heard()
    given = replace(
        base,
        tokens=ids,
        logprobs=tuple(chances.get(token, 0.0) for token in ids),
        pieces=tuple(Piece(0, 180, part, "x") for part in spoken),
    )
    wanted = [np.exp(-1.0)] * len(one) + [np.exp(-2.0)] * len(two)
    assert token_probabilities(given, TOKENS.eot) == pytest.approx(wanted)
