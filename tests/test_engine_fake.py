"""The fake engine: deterministic, shaped like the real one, and honest about what was cancelled."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.engine.fake import FakeEngine
from endpoint.errors import EngineFailed
from endpoint.options import Options, Task
from endpoint.types import SAMPLE_RATE, EngineInfo, Samples, Window

INFO = EngineInfo("fake", "fake", "1", "none", "none")


def sound(*levels: int) -> Samples:
    """A second of each level, 0 for silence."""
    return np.repeat(np.array(levels, np.int16), SAMPLE_RATE)


async def test_a_word_a_second_a_segment_a_run() -> None:
    engine = FakeEngine(INFO)
    hypothesis = await engine.decode(Window(0, sound(0, 500, 900, 0, 500)), Options())
    assert [(p.start_ms, p.end_ms, len(p.text.split())) for p in hypothesis.pieces] == [
        (1000, 3000, 2),
        (4000, 5000, 1),
    ]
    first, _, last = hypothesis.text.split()
    assert first == last  # of equal loudness
    assert hypothesis.complete
    assert hypothesis.no_speech_prob < 0.5


async def test_silence_gives_nothing_and_is_judged_silent() -> None:
    hypothesis = await FakeEngine(INFO).decode(Window(0, sound(0, 0)), Options())
    assert (hypothesis.pieces, hypothesis.tokens) == ((), ())
    assert hypothesis.no_speech_prob > 0.6
    assert hypothesis.avg_logprob < -1


@given(st.lists(st.integers(0, 20_000), max_size=8), st.integers(1, SAMPLE_RATE))
def test_pieces_stay_in_their_window_and_the_same_sound_says_the_same(levels: list[int], tail: int) -> None:
    window = Window(777, np.concatenate([sound(*levels), np.full(tail, 500, np.int16)]))
    first, again = (asyncio.run(FakeEngine(INFO).decode(window, Options())) for _ in range(2))
    assert first.pieces == again.pieces
    edges = [edge for piece in first.pieces for edge in (piece.start_ms, piece.end_ms)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= window.end_ms - window.start_ms for edge in edges)


@pytest.mark.parametrize(
    ("options", "language"),
    [
        (Options(), "en"),
        (Options(language="de"), "de"),
        (Options(language="de", task=Task.TRANSLATE), "de"),
        (Options(languages=("fr", "de")), "fr"),
    ],
)
async def test_the_language_is_one_that_was_allowed(options: Options, language: str) -> None:
    hypothesis = await FakeEngine(INFO).decode(Window(0, sound(500)), options)
    assert hypothesis.language == language
    assert hypothesis.language_probabilities == {language: 1.0}
    found = await FakeEngine(INFO).detect(Window(0, sound(500)), Options(languages=options.languages))
    assert found.text == ""
    assert set(found.language_probabilities) <= set(options.languages or ("en",))


async def test_words_share_their_piece() -> None:
    engine = FakeEngine(INFO)
    hypothesis = await engine.decode(Window(0, sound(500, 900, 0, 700)), Options(words=True))
    aligned = await engine.align(hypothesis, Task.TRANSCRIBE)
    assert aligned.words is not None
    assert [(w.start_ms, w.end_ms) for w in aligned.words] == [(0, 1000), (1000, 2000), (3000, 4000)]
    assert "".join(w.text for w in aligned.words) == hypothesis.text


async def test_what_runs_and_what_was_cancelled_is_counted() -> None:
    engine = FakeEngine(INFO, delay=30)
    tasks = [asyncio.create_task(engine.decode(Window(0, sound(500)), Options())) for _ in range(3)]
    await asyncio.sleep(0)
    assert engine.running == engine.most_running == 3
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (engine.running, engine.cancelled) == (0, 3)


async def test_it_fails_when_set_to() -> None:
    engine = FakeEngine(INFO)
    await engine.start()
    await engine.check()
    engine.fail = True
    for call in (engine.check(), engine.decode(Window(0, sound(1)), Options())):
        with pytest.raises(EngineFailed):
            await call
    await engine.close()
