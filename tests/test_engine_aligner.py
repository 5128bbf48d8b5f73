"""The aligner: many windows a call, windows that were not kept, failures, people who leave."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
import msgspec

from endpoint.config import DEMO_MODEL
from endpoint.engine.align import KEEP, Attention, Call, Request
from endpoint.engine.aligner import BATCH, Aligner
from endpoint.engine.tokens import WhisperTokens
from endpoint.types import SAMPLE_RATE, Hypothesis, Piece, Task, Window

TOKENS = WhisperTokens.load(DEMO_MODEL)


def hypothesis_of(text: str, number: int = 0) -> Hypothesis:
    ids = TOKENS.encode(text)
    pieces = (Piece(0, 900, tuple(ids), TOKENS.decode(ids)),)
    window = Window(0, np.zeros(SAMPLE_RATE, np.int16))
    logprobs = (-0.1,) * len(ids)
    return Hypothesis(
        window, tuple(ids), pieces, "en", {"en": 1.0}, 0.0, -0.1, 0.0, logprobs=logprobs, key=f"{KEEP}{number}"
    )


class Worker:
    """Answers diagonal attention; forgets the windows in `lost` until samples come along."""

    def __init__(self) -> None:
        self.calls: list[list[Request]] = []
        self.lost: set[str] = set()
        self.failure: Exception | None = None

    async def __call__(self, call: bytes) -> bytes:
        requests = msgspec.msgpack.decode(call, type=Call).requests
        self.calls.append(requests)
        await asyncio.sleep(0.01)
        if self.failure:
            raise self.failure
        answers = []
        for request in requests:
            rows = len(request.ids) - request.first
            matrix = np.kron(np.eye(rows), np.ones(request.frames // rows)).astype(np.float32)
            gone = request.key in self.lost and request.samples is None
            answers.append(Attention(0, 0, b"") if gone else Attention(*matrix.shape, matrix.tobytes()))
        return msgspec.msgpack.encode(answers)


async def test_words_of_many_windows_are_asked_for_together() -> None:
    worker = Worker()
    aligner = Aligner(TOKENS, [(3, 0)], worker)
    found = await asyncio.gather(
        *(aligner.align(hypothesis_of(" hello friend", k), Task.TRANSCRIBE) for k in range(40))
    )
    assert [word.text for word in found[0].words or ()] == [" hello", " friend"]
    assert len({f.words for f in found}) == 1
    assert sum(map(len, worker.calls)) == 40
    assert max(map(len, worker.calls)) <= BATCH
    assert len(worker.calls) <= 4


async def test_what_was_not_kept_is_sent_again_with_its_samples() -> None:
    worker = Worker()
    worker.lost = {f"{KEEP}1"}
    aligner = Aligner(TOKENS, [(3, 0)], worker)
    found = await asyncio.gather(*(aligner.align(hypothesis_of(" hello friend", k), Task.TRANSCRIBE) for k in range(3)))
    assert all(f.words for f in found)
    assert [request.key for request in worker.calls[-1]] == [f"{KEEP}1"]
    assert worker.calls[-1][0].samples == bytes(2 * SAMPLE_RATE)


async def test_a_failure_reaches_everybody_and_the_next_call_works() -> None:
    worker = Worker()
    aligner = Aligner(TOKENS, [(3, 0)], worker)
    worker.failure = RuntimeError("gone")
    failed = await asyncio.gather(
        *(aligner.align(hypothesis_of(" hello", k), Task.TRANSCRIBE) for k in range(3)), return_exceptions=True
    )
    assert [str(error) for error in failed] == ["gone"] * 3
    worker.failure = None
    assert (await aligner.align(hypothesis_of(" hello"), Task.TRANSCRIBE)).words


async def test_one_who_gives_up_leaves_the_others_alone() -> None:
    worker = Worker()
    aligner = Aligner(TOKENS, [(3, 0)], worker)
    jobs = [asyncio.create_task(aligner.align(hypothesis_of(" hello", k), Task.TRANSCRIBE)) for k in range(3)]
    await asyncio.sleep(0.002)
    jobs[1].cancel()
    found = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    assert found[0].words
    assert found[2].words


async def test_no_text_has_no_words_and_asks_nobody() -> None:
    worker = Worker()
    empty = await Aligner(TOKENS, [(3, 0)], worker).align(hypothesis_of(""), Task.TRANSCRIBE)
    assert empty.words == ()
    assert worker.calls == []
