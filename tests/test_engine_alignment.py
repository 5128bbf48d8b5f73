"""The aligner: many windows a call, windows that were not kept, failures, people who leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
import msgspec

from endpoint.config import TEST_MODEL
from endpoint.engine.alignment import BATCH, Aligner, token_probabilities
from endpoint.engine.attention import KEEP, Attention, Call, Request
from endpoint.engine.tokens import WhisperTokens
from endpoint.options import Task
from endpoint.types import SAMPLE_RATE, Hypothesis, Piece, Window

TOKENS = WhisperTokens.load(TEST_MODEL)


def hypothesis_of(text: str, number: int = 0) -> Hypothesis:
    ids = TOKENS.encode(text)
    pieces = (Piece(0, 900, tuple(ids), TOKENS.decode(ids)),)
    window = Window(0, np.zeros(SAMPLE_RATE, np.int16))
    logprobs = (-0.1,) * len(ids)
    return Hypothesis(
        window, tuple(ids), pieces, "en", {"en": 1.0}, 0.0, -0.1, 0.0, logprobs=logprobs, key=f"{KEEP}{number}"
    )


class Worker:
    """Returns diagonal attention; has lost the encoder output of windows in `lost`, and needs their samples."""

    def __init__(self) -> None:
        self.calls: list[list[Request]] = []
        self.lost: set[str] = set()
        self.failure: Exception | None = None
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()

    async def __call__(self, call: bytes) -> bytes:
        requests = msgspec.msgpack.decode(call, type=Call).requests
        self.calls.append(requests)
        self.asked.set()
        await asyncio.sleep(0.01)
        await self.go.wait()
        if self.failure:
            raise self.failure
        found = []
        for request in requests:
            rows = len(request.ids) - request.first
            matrix = np.kron(np.eye(rows), np.ones(request.frames // rows)).astype(np.float32)
            gone = request.key in self.lost and request.samples is None
            found.append(Attention(0, 0, b"") if gone else Attention(*matrix.shape, matrix.tobytes()))
        return msgspec.msgpack.encode(found)


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


async def test_a_window_is_prompted_as_the_reference_does() -> None:
    """Language, task, <|notimestamps|>, text, <|endoftext|>; the frames that hold sound."""
    worker, text = Worker(), " hello friend"
    spoken = replace(hypothesis_of(text), language="fr")
    await Aligner(TOKENS, [(3, 0)], worker).align(spoken, Task.TRANSLATE)
    ((request,),) = worker.calls
    prefix = [TOKENS.sot, TOKENS.languages["fr"], TOKENS.translate, TOKENS.no_timestamps]
    assert request.ids == [*prefix, *TOKENS.encode(text), TOKENS.eot]
    assert (request.first, request.frames, request.samples) == (4, 50, None)


async def test_one_who_gave_up_while_waiting_is_never_asked_for() -> None:
    worker = Worker()
    aligner = Aligner(TOKENS, [(3, 0)], worker)
    worker.go.clear()
    first = asyncio.create_task(aligner.align(hypothesis_of(" hello", 0), Task.TRANSCRIBE))
    await worker.asked.wait()
    others = [asyncio.create_task(aligner.align(hypothesis_of(" hello", k), Task.TRANSCRIBE)) for k in (1, 2)]
    while len(aligner._waiting) < 2:  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0)
    for job in others:
        job.cancel()
    worker.go.set()
    assert (await first).words
    assert aligner._running is not None
    await aligner._running
    assert [[request.key for request in call] for call in worker.calls] == [[f"{KEEP}0"]]
    assert aligner._waiting == []


def test_probabilities_pass_over_what_made_no_piece() -> None:
    """A blank piece is dropped; its tokens stay among the hypothesis's."""
    blank, begin = TOKENS.encode(" ")[0], TOKENS.first_time
    one, two = TOKENS.encode(" hello"), TOKENS.encode(" friend")
    spoken = (begin, *one, begin + 9), (begin + 20, *two, begin + 30)
    ids = (*spoken[0], begin + 10, blank, begin + 11, *spoken[1])
    chances = {**dict.fromkeys(one, -1.0), blank: -5.0, **dict.fromkeys(two, -2.0)}
    given = replace(
        hypothesis_of(""),
        tokens=ids,
        logprobs=tuple(chances.get(token, 0.0) for token in ids),
        pieces=tuple(Piece(0, 180, part, "x") for part in spoken),
    )
    wanted = [np.exp(-1.0)] * len(one) + [np.exp(-2.0)] * len(two)
    assert token_probabilities(given, TOKENS.eot) == pytest.approx(wanted)


class Astray(Worker):
    """Attention of four words in two pieces, the third of them drawn to the end of the second."""

    async def __call__(self, call: bytes) -> bytes:
        (request,) = msgspec.msgpack.decode(call, type=Call).requests
        rows, self.frames = len(request.ids) - request.first, request.frames
        matrix = np.full((rows, request.frames), -1, np.float32)
        for row, (first, end) in enumerate(((0, 20), (20, 40), (100, 115), (115, 130), (130, 150))):
            matrix[row, first:end] = 1
        matrix[2, 40:60] = 3
        matrix[2, 60:100] = -3
        matrix[3, 60:110] = 0.5
        return msgspec.msgpack.encode([Attention(*matrix.shape, matrix.tobytes())])


async def test_a_piece_whose_words_went_astray_is_warped_again_within_its_timestamps() -> None:
    ids = [TOKENS.encode(text) for text in (" hello", " friend", " apple", " four")]
    assert {len(word) for word in ids} == {1}
    begin = TOKENS.first_time
    spoken = (begin, *ids[0], *ids[1], begin + 40), (begin + 100, *ids[2], *ids[3], begin + 130)
    given = replace(
        hypothesis_of(""),
        window=Window(0, np.full(3 * SAMPLE_RATE, 900, np.int16)),
        tokens=(*spoken[0], *spoken[1]),
        logprobs=(-0.1,) * 8,
        pieces=(Piece(0, 800, spoken[0], " hello friend"), Piece(2_000, 2_600, spoken[1], " apple four")),
    )
    found = await Aligner(TOKENS, [(3, 0)], Astray()).align(given, Task.TRANSCRIBE)
    assert found.words is not None
    assert [word.start_ms for word in found.words] == [0, 400, 2_000, 2_300]
    assert (found.pieces[1].start_ms, found.pieces[1].end_ms) == (2_000, 2_600)
