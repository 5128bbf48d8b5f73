"""Beam search on the real engine with the bundled model: many windows and many beams in one batch."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from endpoint.bench.recordings import WORKLOADS, Recording, make
from endpoint.bench.words import errors
from endpoint.config import Settings
from endpoint.errors import InvalidRequest
from endpoint.options import Options, Sampling, Task
from endpoint.types import Hypothesis, Window

pytest.importorskip("vllm", reason="the base build has no vLLM")
from endpoint.engine.client import VllmEngine

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]
RECORDINGS = make(replace(WORKLOADS["short"], count=12), ["en", "de"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[VllmEngine]:
    made = VllmEngine(Settings(cpu_kv_cache_gib=1, log_level="error", max_num_seqs=32))
    await made.start()
    yield made
    await made.close()


def asked(size: int | None, **more: object) -> Options:
    return Options(sampling=Sampling(beam_size=size, **more))


async def decode(engine: VllmEngine, recording: Recording, options: Options) -> Hypothesis:
    return await engine.decode(Window(0, recording.samples), options)


def tokens_of(hypotheses: list[Hypothesis]) -> list[tuple[int, ...]]:
    return [hypothesis.tokens for hypothesis in hypotheses]


async def test_many_windows_at_once_give_the_texts_they_give_alone(engine: VllmEngine) -> None:
    alone = [await decode(engine, recording, asked(3)) for recording in RECORDINGS]
    together = await asyncio.gather(*(decode(engine, recording, asked(3)) for recording in RECORDINGS))
    assert tokens_of(together) == tokens_of(alone)
    wrong = sum(errors(r.text or "", h.text)[0] for r, h in zip(RECORDINGS, together, strict=True))
    assert wrong <= 2
    for recording, hypothesis in zip(RECORDINGS, together, strict=True):
        assert hypothesis.language == recording.language
        assert sum(hypothesis.language_probabilities.values()) == pytest.approx(1)
        assert hypothesis.no_speech_prob < 0.5
        assert hypothesis.complete
        assert len(hypothesis.logprobs) == len(hypothesis.tokens)
        assert all(logprob <= 1e-3 for logprob in hypothesis.logprobs)


async def test_a_beam_is_never_less_likely_than_the_greedy_text(engine: VllmEngine) -> None:
    """Of these windows; in general it may be, as any search that is not exhaustive."""
    for recording in RECORDINGS[:4]:
        greedy = await decode(engine, recording, asked(1))
        wide = await decode(engine, recording, asked(5))
        assert wide.avg_logprob >= greedy.avg_logprob - 1e-3


async def test_words_are_timed_and_prompts_and_translation_work(engine: VllmEngine) -> None:
    options = replace(asked(4), words=True, prompt="Words before.", language=RECORDINGS[0].language)
    hypothesis = await decode(engine, RECORDINGS[0], options)
    timed = await engine.align(hypothesis, Task.TRANSCRIBE)
    assert timed.words
    assert all(word.start_ms <= word.end_ms for word in timed.words)
    assert (await decode(engine, RECORDINGS[0], replace(options, task=Task.TRANSLATE))).complete


async def test_candidates_above_temperature_0_are_sampled(engine: VllmEngine) -> None:
    hypothesis = await decode(engine, RECORDINGS[0], replace(asked(5), temperature=0.5))
    assert hypothesis.temperature == 0.5


async def test_more_beams_than_rows_are_refused() -> None:
    engine = VllmEngine(Settings(max_num_seqs=4))
    with pytest.raises(InvalidRequest, match="beam_size 5 is too large for this server: at most 4"):
        engine.check_options(asked(5))


async def test_a_mixed_crowd_leaves_nothing_behind(engine: VllmEngine) -> None:
    """Beams of every size, greedy requests, sampling, and some that are given up: the engine is empty afterwards.

    Each gets the text of its own recording, up to a word or two: the rows of a batch change the rounding.
    """
    choose, some = random.Random(3), RECORDINGS[:4]
    texts = {
        (number, size): (await decode(engine, recording, asked(size))).text
        for number, recording in enumerate(some)
        for size in (1, 2, 5, 10)
    }

    async def one(number: int) -> None:
        at, size = number % len(some), choose.choice([1, 2, 5, 10])
        options = asked(size)
        if number % 5 == 4:
            options = replace(options, temperature=0.4)
        work = asyncio.ensure_future(decode(engine, some[at], options))
        if number % 3 == 2:
            await asyncio.sleep(choose.random() / 2)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        elif options.temperature == 0:
            assert errors(texts[at, size], (await work).text)[0] <= 2
        else:
            await work

    await asyncio.gather(*(one(number) for number in range(60)))
    while True:  # what was given up ends at the engine's next steps, or the test's time does
        if not any((await engine.held()).values()):
            break
        await asyncio.sleep(0.1)
