"""The core with options.incremental: segments are settled as early as possible."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.audio.spans import find_spans
from endpoint.call import Call
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import Progress, transcribe
from endpoint.options import Options, VadOptions
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Audio, Hypothesis, Segment, Transcript, samples_to_ms
from tests.test_core_pipeline import PLAIN, SECONDS, Engine, ready, sound


@pytest.mark.parametrize("in_turn", [False, True])
async def test_segments_are_emitted_in_order_as_they_are_settled(in_turn: bool) -> None:
    emitted: list[Segment] = []
    at_first: list[int] = []
    options = replace(PLAIN, condition_on_previous_text=in_turn, words=True)
    pipeline, engine = await ready(sound(*[500 + 30 * k for k in range(60)]), Engine(delay=0.001))

    made = None
    async for step in pipeline.segments(b"?", replace(options, incremental=True), Call()):
        if isinstance(step, Transcript):
            made = step
        elif step.segments:
            at_first.append(len(engine.asked))
            emitted.extend(step.segments)
    assert made is not None
    assert tuple(emitted) == made.segments
    assert made.words == (await transcribe(pipeline, b"?", options)).words
    assert made.text == (await transcribe(pipeline, b"?", options)).text
    assert at_first[0] <= 3  # the first window was decoded alone


async def test_a_stream_settles_its_language_by_the_windows_so_far() -> None:
    def uneven(recognized: Hypothesis, options: Options) -> Hypothesis:
        second = recognized.window.start // SAMPLE_RATE
        german = 0.4 if second == 0 else 0.9 if second < 30 else 0.45
        code = options.language or ("de" if german > 0.5 else "en")
        return replace(recognized, language=code, language_probabilities={"de": german, "en": 1 - german})

    emitted: list[Segment] = []
    pipeline, _ = await ready(sound(*[500] * 45), Engine(change=uneven))
    made = None
    async for step in pipeline.segments(b"?", replace(PLAIN, incremental=True), Call()):
        if isinstance(step, Transcript):
            made = step
        else:
            emitted.extend(step.segments)
    assert made is not None
    assert tuple(emitted) == made.segments
    assert emitted[0].language == "en"  # it was emitted before the rest was recognized
    assert made.language == "de"
    assert {segment.language for segment in emitted[1:]} == {"de"}


async def test_a_reader_that_fails_ends_the_work() -> None:
    pipeline, engine = await ready(sound(*[500] * 60), Engine(delay=0.01))

    async def read() -> None:
        async with aclosing(pipeline.segments(b"?", replace(PLAIN, incremental=True), Call())) as steps:
            async for step in steps:
                if isinstance(step, Progress) and step.segments:
                    raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        await read()
    assert engine.running == 0
    assert len(engine.asked) < 10


class BeginningFirst:
    """A decoder that gives the beginning first, as the real one does. speech: of each frame."""

    def __init__(self, speech: list[int]) -> None:
        self.audio = Audio(np.zeros(len(speech) * SPEECH_FRAME, np.int16), np.array(speech, np.uint8))

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def decode(self, data: bytes, vad: bool, begun: Callable[[Audio], object], *_: object) -> Audio:
        frames = len(self.audio.samples) // SPEECH_FRAME // 3
        assert self.audio.speech is not None
        begun(Audio(self.audio.samples[: frames * SPEECH_FRAME], self.audio.speech[:frames]))
        await asyncio.sleep(0.001)
        return self.audio


runs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=20)


@settings(deadline=None)
@given(runs, st.sampled_from([Options(), Options(condition_on_previous_text=True)]))
def test_all_speech_is_decoded_once_although_the_beginning_goes_first(
    parts: list[tuple[int, int]], options: Options
) -> None:
    speech = [level for on, off in parts for level in [255] * on + [0] * off] or [0]
    decoder, engine = BeginningFirst(speech), Engine()
    emitted = list[tuple[int, int]]()

    async def run() -> None:
        pipeline = Pipeline(engine, decoder, SECONDS)
        await pipeline.start()
        async for step in pipeline.segments(b"?", replace(options, incremental=True), Call()):
            if isinstance(step, Progress):
                emitted.append((step.done, step.total))

    asyncio.run(run())
    assert decoder.audio.speech is not None
    spans = find_spans(decoder.audio.speech, len(decoder.audio.samples), VadOptions())
    windows = [window for window, _ in engine.asked]
    held = [span for window in windows for span in window.speech]
    times = np.zeros(len(decoder.audio.samples), np.int8)
    for span in held:
        times[span.start : span.end] += 1
    wanted = np.zeros(len(times), bool)
    for span in spans:
        wanted[span.start : span.end] = True
    assert np.array_equal(times > 0, wanted)
    assert np.sum(times > 1) == sum(window.overlap for window in windows)
    total = samples_to_ms(sum(len(window.samples) for window in windows))
    assert emitted[-1] == (total, total)
