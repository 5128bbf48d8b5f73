"""Voice activity detection in the core: what is given to the engine, and coverage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio
import structlog

from endpoint.audio.decode import Decoder
from endpoint.call import Call
from endpoint.config import Settings
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import transcribe
from endpoint.engine.fake import FakeEngine
from endpoint.options import Options, VadOptions
from endpoint.types import SAMPLE_RATE, EngineInfo, Hypothesis, Window
from tests.recordings import wav
from tests.talk import Talk, make_talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFF = Options(vad=None)


class Deaf(FakeEngine):
    """The fake engine. Remembers its windows; can recognize nothing from some second of a window on, or deny speech."""

    def __init__(self) -> None:
        super().__init__(EngineInfo("fake", "fake", "1", "none", "none"))
        self.windows, self.deaf_from, self.no_speech = list[Window](), 1000, 0.01

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.windows.append(window)
        recognized = await super().decode(window, options)
        pieces = tuple(piece for piece in recognized.pieces if (piece.end_ms or 0) <= self.deaf_from * 1000)
        return replace(recognized, pieces=pieces, no_speech_prob=self.no_speech)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(Settings(decode_workers=1))
    await decoder.start()
    yield decoder
    await decoder.close()


@pytest_asyncio.fixture(loop_scope="module")
async def core(decoder: Decoder) -> tuple[Pipeline, Deaf]:
    engine = Deaf()
    pipeline = Pipeline(engine, decoder, 30)
    pipeline._ready = True  # the decoder is shared, and started
    return pipeline, engine


@pytest.fixture(scope="module")
def sparse() -> Talk:
    return make_talk(90, seed=3, pauses=(20, 20))


QUIET = wav(np.random.default_rng(0).normal(0, 8, (40 * SAMPLE_RATE, 1)).astype(np.int16), SAMPLE_RATE)


async def test_long_silences_are_not_given_to_the_engine(core: tuple[Pipeline, Deaf], sparse: Talk) -> None:
    pipeline, engine = core
    transcript = await transcribe(pipeline, sparse.wav, Options())
    assert len(engine.windows) == len(sparse.spans)
    for window, (start_ms, end_ms) in zip(engine.windows, sparse.spans, strict=True):
        assert window.start_ms <= start_ms < end_ms <= window.end_ms < end_ms + 1500
        assert len(window.speech) == 1
    assert transcript.coverage == 1.0
    assert transcript.duration_ms == 90_000


async def test_without_voice_activity_everything_is_given_to_it(core: tuple[Pipeline, Deaf], sparse: Talk) -> None:
    pipeline, engine = core
    transcript = await transcribe(pipeline, sparse.wav, OFF)
    lengths = {window.start: len(window.samples) for window in engine.windows}  # once each, were they decoded again
    assert sum(lengths.values()) == 90 * SAMPLE_RATE
    assert (transcript.coverage, transcript.uncovered) == (1.0, ())


async def test_speech_without_text_is_reported_without_voice_activity_too(
    core: tuple[Pipeline, Deaf], sparse: Talk
) -> None:
    pipeline, engine = core
    engine.deaf_from = 0
    transcript = await transcribe(pipeline, sparse.wav, OFF)
    assert transcript.coverage == 0.0
    assert len(transcript.uncovered) == len(sparse.spans)


async def test_the_numbers_of_a_request_count(core: tuple[Pipeline, Deaf], sparse: Talk) -> None:
    pipeline, engine = core
    await transcribe(pipeline, sparse.wav, Options(vad=VadOptions(silence_duration_ms=30_000)))
    assert len(engine.windows) > 1
    assert sum(len(window.samples) for window in engine.windows) > 80 * SAMPLE_RATE


async def test_no_speech_is_an_empty_transcript(core: tuple[Pipeline, Deaf]) -> None:
    pipeline, engine = core
    transcript = await transcribe(pipeline, QUIET, Options())
    assert engine.windows == []
    assert (transcript.text, transcript.segments, transcript.language) == ("", (), "en")
    assert (transcript.coverage, transcript.uncovered, transcript.duration_ms) == (1.0, (), 40_000)
    assert (await transcribe(pipeline, QUIET, Options(language="de"))).language == "de"
    assert (await transcribe(pipeline, QUIET, Options(languages=("fr", "de")))).language == "fr"


async def test_speech_without_text_is_reported(core: tuple[Pipeline, Deaf], sparse: Talk) -> None:
    pipeline, engine = core
    engine.deaf_from = 0
    with structlog.testing.capture_logs() as logs:
        transcript = await transcribe(pipeline, sparse.wav, Options())
    assert transcript.coverage == 0.0
    assert len(transcript.uncovered) == len(sparse.spans)
    (warning,) = [line for line in logs if line["event"] == "speech without text"]
    assert (warning["log_level"], warning["coverage"]) == ("warning", 0.0)


async def test_sure_speech_is_reported_although_the_model_denies_it(core: tuple[Pipeline, Deaf], sparse: Talk) -> None:
    pipeline, engine = core
    engine.deaf_from, engine.no_speech = 0, 0.99
    transcript = await transcribe(pipeline, sparse.wav, Options())
    long = [(start, end) for start, end in sparse.spans if end - start >= 1_000]
    assert len(transcript.uncovered) == len(long) > 0
    for (start, end), (first, last) in zip(transcript.uncovered, long, strict=True):
        assert abs(start - first) < 300
        assert abs(end - last) < 300


async def test_a_language_is_detected_where_there_is_speech(core: tuple[Pipeline, Deaf], sparse: Talk) -> None:
    pipeline, engine = core
    await pipeline.detect(sparse.wav, Options(), Call())
    assert len(engine.windows) == len(sparse.spans)
    engine.windows.clear()
    shares, duration_ms = await pipeline.detect(QUIET, Options(), Call())
    assert (shares, duration_ms) == ({"en": 1.0}, 40_000)
    assert sum(len(window.samples) for window in engine.windows) == 40 * SAMPLE_RATE  # the model's guess


async def test_speech_without_pauses_is_transcribed_once(core: tuple[Pipeline, Deaf]) -> None:
    pipeline, engine = core
    talk = make_talk(70, seed=3, pauses=(0.02, 0.05))
    transcript = await transcribe(pipeline, talk.wav, Options())
    assert [window.overlap > 0 for window in engine.windows] == [False, True, True]
    assert transcript.coverage == 1.0
    times = [moment for segment in transcript.segments for moment in (segment.start_ms, segment.end_ms)]
    assert times == sorted(times)
    assert abs(len(transcript.text.split()) - 70) <= 3  # the fake engine recognizes a word a second
