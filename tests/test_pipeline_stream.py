"""The core while it tells what it hears: endpoint.pipeline with a listener."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from endpoint.types import SAMPLE_RATE, Hypothesis, Options, Segment
from tests.test_pipeline import PLAIN, Engine, ready, sound


@pytest.mark.parametrize("in_turn", [False, True])
async def test_segments_are_told_in_order_as_they_are_settled(in_turn: bool) -> None:
    told: list[Segment] = []
    at_first: list[int] = []
    options = replace(PLAIN, condition_on_previous_text=in_turn, words=True)
    pipeline, engine = await ready(sound(*[500 + 30 * k for k in range(60)]), Engine(delay=0.001))

    def heard(segments: Sequence[Segment]) -> None:
        at_first.append(len(engine.asked))
        told.extend(segments)

    made = await pipeline.transcribe(b"?", options, heard=heard)
    assert tuple(told) == made.segments
    assert made.words == (await pipeline.transcribe(b"?", options)).words
    assert made.text == (await pipeline.transcribe(b"?", options)).text
    assert at_first[0] <= 3  # the first window was decoded alone


async def test_a_stream_settles_its_language_by_what_it_heard_so_far() -> None:
    def uneven(heard: Hypothesis, options: Options) -> Hypothesis:
        second = heard.window.start // SAMPLE_RATE
        german = 0.4 if second == 0 else 0.9 if second < 30 else 0.45
        code = options.language or ("de" if german > 0.5 else "en")
        return replace(heard, language=code, language_probabilities={"de": german, "en": 1 - german})

    told: list[Segment] = []
    pipeline, _ = await ready(sound(*[500] * 45), Engine(answer=uneven))
    made = await pipeline.transcribe(b"?", PLAIN, heard=told.extend)
    assert tuple(told) == made.segments
    assert told[0].language == "en"  # it was told before the rest was heard
    assert made.language == "de"
    assert {segment.language for segment in told[1:]} == {"de"}


async def test_a_failure_of_the_one_who_is_told_ends_the_work() -> None:
    pipeline, engine = await ready(sound(*[500] * 60), Engine(delay=0.01))

    def heard(segments: Sequence[Segment]) -> None:
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        await pipeline.transcribe(b"?", PLAIN, heard=heard)
    assert engine.running == 0
    assert len(engine.asked) < 5
