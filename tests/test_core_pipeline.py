"""The core on the fake engine: order, progress, failures and cancellation. (Voice activity: test_pipeline_vad.)"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest

from endpoint.admission import Urgency
from endpoint.call import Call, Counted, Stage
from endpoint.core.dispatch import LEAST_AT_ONCE, PART, WINDOWS_AT_ONCE
from endpoint.core.pipeline import DETECT_WINDOWS, Pipeline
from endpoint.core.transcriber import Progress, transcribe
from endpoint.engine.fake import FakeEngine
from endpoint.errors import ConfigError, EndpointError, EngineFailed, InvalidAudio, NotReady
from endpoint.options import Options
from endpoint.types import (
    SAMPLE_RATE,
    SPEECH_FRAME,
    Audio,
    EngineInfo,
    Hypothesis,
    Samples,
    Segment,
    Window,
    samples_to_ms,
)

PLAIN = Options(vad=None)
SECONDS = 5.0  # of a window


def sound(*levels: int) -> Samples:
    """A second of each level, 0 for silence: the fake engine recognizes a word in each other second."""
    return np.repeat(np.array(levels, np.int16), SAMPLE_RATE)


class Sounds:
    """A decoder with given samples, or one that fails."""

    def __init__(self, samples: Samples, failure: Exception | None = None) -> None:
        self.samples, self.failure = samples, failure
        self.started = self.closed = False
        self.decoded = 0

    async def start(self) -> None:
        self.started = True

    async def decode(self, data: bytes | bytearray, *_: object, **__: object) -> Audio:
        self.decoded += 1
        if self.failure is not None:
            raise self.failure
        frames = np.pad(self.samples, (0, -len(self.samples) % SPEECH_FRAME)).reshape(-1, SPEECH_FRAME)
        return Audio(self.samples, np.where(frames.any(axis=1), 255, 0).astype(np.uint8))

    async def close(self) -> None:
        self.closed = True


class Engine(FakeEngine):
    """The fake engine; remembers its calls. change: applied to each result."""

    def __init__(self, delay: float = 0.0, change: Callable[[Hypothesis, Options], Hypothesis] | None = None) -> None:
        super().__init__(EngineInfo("fake", "fake", "1", "none", "none"), delay)
        self.asked: list[tuple[Window, Options]] = []
        self.change = change or (lambda recognized, options: recognized)
        self.start_failure: Exception | None = None
        self.close_failure: Exception | None = None
        self.closed = False

    async def start(self) -> None:
        if self.start_failure is not None:
            raise self.start_failure

    async def close(self) -> None:
        self.closed = True
        if self.close_failure is not None:
            raise self.close_failure

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.asked.append((window, options))
        return self.change(await super().decode(window, options), options)


async def ready(samples: Samples, engine: Engine | None = None) -> tuple[Pipeline, Engine]:
    engine = engine or Engine()
    pipeline = Pipeline(engine, Sounds(samples), SECONDS)
    await pipeline.start()
    return pipeline, engine


# ---- the whole way --------------------------------------------------------------------------------


async def test_a_file_becomes_its_words_in_order() -> None:
    levels = [500 + 37 * k for k in range(23)]
    pipeline, engine = await ready(sound(*levels))
    made = await transcribe(pipeline, b"?", PLAIN)
    whole = await FakeEngine(engine.info).decode(Window(0, sound(*levels)), PLAIN)
    assert made.duration_ms == 23_000
    assert len(engine.asked) > 4  # windows of at most five seconds
    assert all(len(window.samples) <= SECONDS * SAMPLE_RATE for window, _ in engine.asked)
    edges = [edge for segment in made.segments for edge in (segment.start_ms, segment.end_ms)]
    assert edges == sorted(edges)
    assert edges[-1] <= 23_000
    assert len(made.text.split()) >= len(whole.text.split())


async def test_what_each_stage_took_is_in_the_record_of_the_call() -> None:
    pipeline, _ = await ready(sound(*[500] * 300), Engine(delay=0.001))
    call = Call()
    await transcribe(pipeline, b"?", replace(PLAIN, words=True), call)
    assert call.record.audio_seconds == 300
    assert call.record.spent.keys() >= {Stage.ENGINE, Stage.ALIGN, Stage.ASSEMBLE}
    assert call.record.waited[Stage.QUEUE] > 0  # there are more windows than may be decoded at once
    assert Stage.FORMAT not in call.record.spent


@pytest.mark.parametrize(("temperature", "again"), [(0.0, 0), (0.5, 0)])
async def test_windows_at_the_temperature_that_was_asked_for_were_not_decoded_again(
    temperature: float, again: int
) -> None:
    pipeline, _ = await ready(sound(*[500] * 12))
    call = Call()
    await transcribe(pipeline, b"?", replace(PLAIN, temperature=temperature), call)
    assert call.record.counts[Counted.FALLBACKS] == again


async def test_silence_is_an_empty_transcript() -> None:
    pipeline, _ = await ready(sound(0, 0, 0))
    made = await transcribe(pipeline, b"?", PLAIN)
    assert (made.text, made.segments, made.duration_ms) == ("", (), 3000)


async def test_words_are_timed_where_they_are_asked_for() -> None:
    pipeline, _ = await ready(sound(*[500] * 12))
    made = await transcribe(pipeline, b"?", replace(PLAIN, words=True))
    assert made.words is not None
    assert "".join(word.text for word in made.words).split() == made.text.split()
    assert (await transcribe(pipeline, b"?", PLAIN)).words is None


async def test_the_waveform_is_drawn_where_it_is_asked_for() -> None:
    pipeline, _ = await ready(sound(0, 32767, 0, 16384))
    assert (await transcribe(pipeline, b"", PLAIN)).peaks == b""
    assert list((await transcribe(pipeline, b"", replace(PLAIN, peaks=4))).peaks) == [0, 255, 0, 128]


async def test_results_come_in_window_order_whoever_is_done_first() -> None:
    class LastFirst(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            waiting.add(window.start)
            for _ in range(100):  # until all are here
                await asyncio.sleep(0)
            while max(waiting) > window.start:  # noqa: ASYNC110 - the others have no event to wait for
                await asyncio.sleep(0)
            made = await super().decode(window, options)
            waiting.remove(window.start)
            return made

    waiting = set[int]()
    pipeline, engine = await ready(sound(*[500] * 40), LastFirst())
    segments = (await transcribe(pipeline, b"?", PLAIN)).segments
    assert [window.start for window, _ in engine.asked] == sorted((w.start for w, _ in engine.asked), reverse=True)
    assert [segment.start_ms for segment in segments] == sorted(segment.start_ms for segment in segments)


async def test_windows_are_decoded_in_parallel_but_leave_room_for_others() -> None:
    pipeline, engine = await ready(sound(*[500] * 300), Engine(delay=0.001))
    await transcribe(pipeline, b"?", PLAIN)
    assert len(engine.asked) > WINDOWS_AT_ONCE
    assert engine.most_running == WINDOWS_AT_ONCE


@pytest.mark.parametrize(("seconds", "least", "most"), [(60, 6, 6), (400, 7, 31), (1600, 32, 32)])
async def test_in_the_background_a_part_of_the_windows_is_decoded_at_once(seconds: int, least: int, most: int) -> None:
    pipeline, engine = await ready(sound(*[500] * seconds), Engine(delay=0.001))
    await transcribe(pipeline, b"?", PLAIN, Call(urgency=Urgency.JOB))
    assert engine.most_running == min(WINDOWS_AT_ONCE, max(LEAST_AT_ONCE, len(engine.asked) // PART))
    assert least <= engine.most_running <= most


@pytest.mark.parametrize("in_turn", [False, True])
async def test_progress_counts_the_sound_of_every_window_once(in_turn: bool) -> None:
    pipeline, engine = await ready(sound(*[500 + 37 * k for k in range(30)]))
    options = replace(PLAIN, condition_on_previous_text=in_turn)
    steps = [step async for step in pipeline.segments(b"?", options, Call())]
    seen = [(step.done, step.total) for step in steps if isinstance(step, Progress)]
    assert len(engine.asked) > 5
    ends = itertools.accumulate((len(window.samples) for window, _ in engine.asked), initial=0)
    assert list(dict.fromkeys(seen)) == [(samples_to_ms(end), 30_000) for end in ends]
    assert seen[-1] == (30_000, 30_000)


async def test_progress_counts_windows_that_are_decoded_before_an_earlier_one() -> None:
    gate = asyncio.Event()

    class FirstIsLast(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            if window.start == 0:
                await gate.wait()
            return await super().decode(window, options)

    pipeline, engine = await ready(sound(*[500] * 20), FirstIsLast())
    settled = list[Segment]()
    async with aclosing(pipeline.segments(b"?", replace(PLAIN, language="en"), Call())) as steps:
        async for step in steps:
            if isinstance(step, Progress):
                settled += step.segments
                if 0 < step.total - step.done <= SECONDS * 1000:  # all but the first
                    assert settled == []
                    gate.set()
    assert gate.is_set()
    assert settled
    assert len(engine.asked) > 2


@pytest.mark.parametrize(("multilingual", "language"), [(True, "de"), (False, None)])
async def test_the_servers_language_is_that_of_files_for_which_none_is_named(
    multilingual: bool, language: str | None
) -> None:
    engine = Engine()
    engine._info = replace(engine.info, multilingual=multilingual)
    pipeline = Pipeline(engine, Sounds(sound(3000, 3000)), SECONDS, language="de")
    await pipeline.start()
    await transcribe(pipeline, b"", PLAIN)
    await transcribe(pipeline, b"", replace(PLAIN, language="fr"))
    assert [options.language for _, options in engine.asked] == [language, "fr"]


# ---- failures and cancellation --------------------------------------------------------------------


async def test_cancelling_a_request_cancels_its_work_in_the_engine() -> None:
    pipeline, engine = await ready(sound(*[500] * 60), Engine(delay=60))
    task = asyncio.create_task(transcribe(pipeline, b"?", PLAIN))
    while engine.running < 10 and not task.done():  # noqa: ASYNC110 - the engine has no event to wait for
        await asyncio.sleep(0.001)
    begun = len(engine.asked)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (engine.running, engine.cancelled) == (0, begun)


@pytest.mark.parametrize("failure", [EngineFailed("this window"), RuntimeError("a bug")])
async def test_a_window_that_fails_cancels_the_rest_and_its_error_is_raised(failure: Exception) -> None:
    class Fails(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            if 10 * SAMPLE_RATE < window.start < 20 * SAMPLE_RATE:
                await asyncio.sleep(0.01)
                raise failure
            return await super().decode(window, options)

    pipeline, engine = await ready(sound(*[500] * 60), Fails(delay=60))
    with pytest.raises(type(failure)) as caught:
        async with asyncio.timeout(60):
            await transcribe(pipeline, b"?", PLAIN)
    assert caught.value is failure
    assert engine.running == 0
    assert engine.cancelled == len(engine.asked) > 5


async def test_a_file_that_cannot_be_decoded_does_not_reach_the_engine() -> None:
    engine = Engine()
    pipeline = Pipeline(engine, Sounds(sound(500), InvalidAudio("no audio")), SECONDS)
    await pipeline.start()
    for call in (transcribe(pipeline, b"?", PLAIN), pipeline.detect(b"?", PLAIN, Call())):
        with pytest.raises(InvalidAudio):
            await call
    assert engine.asked == []


# ---- start, check, close --------------------------------------------------------------------------


async def test_before_start_nothing_is_decoded() -> None:
    decoder = Sounds(sound(500))
    pipeline = Pipeline(Engine(), decoder, SECONDS)
    for call in (pipeline.check(), transcribe(pipeline, b"?", PLAIN), pipeline.detect(b"?", PLAIN, Call())):
        with pytest.raises(NotReady):
            await call
    assert decoder.decoded == 0
    await pipeline.start()
    await pipeline.check()
    await pipeline.close()
    with pytest.raises(NotReady):
        await pipeline.check()


@pytest.mark.parametrize("failure", [EngineFailed("no memory"), ConfigError("no such dtype")])
async def test_a_model_that_cannot_be_loaded_is_an_error_of_every_call(failure: EndpointError) -> None:
    engine, decoder = Engine(), Sounds(sound(500))
    engine.start_failure = failure
    pipeline = Pipeline(engine, decoder, SECONDS)
    with pytest.raises(type(failure)) as caught:
        await pipeline.start()
    assert caught.value is failure
    for _ in range(2):
        with pytest.raises(EngineFailed, match=failure.message):
            await transcribe(pipeline, b"?", PLAIN)
    assert decoder.decoded == 0
    await pipeline.close()
    assert decoder.closed
    assert engine.closed


async def test_an_engine_that_died_is_noticed_before_work_is_done() -> None:
    pipeline, engine = await ready(sound(500))
    engine.fail = True
    with pytest.raises(EngineFailed):
        await pipeline.check()
    with pytest.raises(EngineFailed):
        await transcribe(pipeline, b"?", PLAIN)
    assert engine.asked == []


async def test_the_decoder_is_closed_even_where_the_engine_cannot_be() -> None:
    engine, decoder = Engine(), Sounds(sound(500))
    engine.close_failure = RuntimeError("stuck")
    pipeline = Pipeline(engine, decoder, SECONDS)
    await pipeline.start()
    with pytest.raises(RuntimeError, match="stuck"):
        await pipeline.close()
    assert decoder.closed


# ---- detection ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "most"), [(1, 1), (12, 5), (200, DETECT_WINDOWS)])
async def test_detection_uses_a_few_windows_spread_over_the_file(seconds: int, most: int) -> None:
    pipeline, engine = await ready(sound(*[500] * seconds))
    shares, duration = await pipeline.detect(b"?", replace(PLAIN, languages=("de", "fr")), Call())
    assert duration == seconds * 1000
    assert set(shares) <= {"de", "fr"}
    assert sum(shares.values()) == pytest.approx(1)
    assert 1 <= len(engine.asked) <= most
    starts = [window.start for window, _ in engine.asked]
    assert starts[0] == 0
    assert seconds < 200 or max(starts) > 0.75 * seconds * SAMPLE_RATE
