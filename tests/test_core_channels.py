"""Channels of a recording, each transcribed by itself."""

from __future__ import annotations

from contextlib import aclosing

import numpy as np

from endpoint.call import Call, Counted
from endpoint.codec import decode_transcript, encode_transcript
from endpoint.core.channels import channel_name
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import Progress, transcribe
from endpoint.options import Options
from endpoint.types import Hypothesis, Samples, Transcript, Window
from endpoint.voices import SpeakerTurn
from tests.speakers_support import Recordings, levels
from tests.test_core_pipeline import Engine

CALL = [levels(900, 0, 0, 700, 0, 0, 650, 0), levels(0, 800, 0, 0, 600, 0, 0, 500)]
ASKED = Options(multichannel=True, words=True)


async def ready(engine: Engine | None = None, **recordings: list[Samples]) -> Pipeline:
    decoder = Recordings(**{"call": CALL} | recordings)
    pipeline = Pipeline(engine or Engine(), decoder, 5.0)  # type: ignore[arg-type]
    await pipeline.start()
    return pipeline


async def alone(samples: Samples) -> Transcript:
    return await transcribe(await ready(one=[samples]), b"one", Options(words=True))


async def test_channels_are_interleaved_by_time_and_each_is_a_speaker() -> None:
    made = await transcribe(await ready(), b"call", ASKED)
    starts = [segment.start_ms for segment in made.segments]
    assert starts == sorted(starts)
    assert [segment.id for segment in made.segments] == list(range(len(starts)))
    for channel, samples in enumerate(CALL):
        own = [segment for segment in made.segments if segment.speaker == channel_name(channel)]
        by_itself = await alone(samples)
        assert [(one.text, one.start_ms, one.end_ms) for one in own] == [
            (one.text, one.start_ms, one.end_ms) for one in by_itself.segments
        ]
    assert made.words is not None
    assert [word.start_ms for word in made.words] == sorted(word.start_ms for word in made.words)
    assert {word.speaker for word in made.words} == {"channel_0", "channel_1"}
    assert made.speakers is not None
    assert made.speakers.names == ("channel_0", "channel_1")
    assert made.speakers.turns[0] == SpeakerTurn(made.segments[0].start_ms, made.segments[0].end_ms, "channel_0")
    assert decode_transcript(encode_transcript(made)) == made


async def test_the_recording_counts_once_and_tokens_as_they_were_spent() -> None:
    call = Call()
    made = await transcribe(await ready(), b"call", ASKED, call)
    first, second = [await alone(samples) for samples in CALL]
    assert made.duration_ms == 8_000
    assert call.record.audio_seconds == 8
    assert call.record.languages == {"en": 8.0}
    assert made.usage.audio_tokens == first.usage.audio_tokens + second.usage.audio_tokens
    assert made.usage.output_tokens == first.usage.output_tokens + second.usage.output_tokens
    assert call.record.counts[Counted.WINDOWS] > 1


async def test_coverage_counts_the_speech_of_all_channels() -> None:
    class Deaf(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            made = await super().decode(window, options)
            return made if window.start < 16_000 else Hypothesis(**{**made.__dict__, "pieces": (), "tokens": ()})

    recordings = {"call": [levels(900, 900, 0, 0, 0, 0), levels(0, 0, 900, 900, 900, 900)]}
    made = await transcribe(await ready(Deaf(), **recordings), b"call", Options(multichannel=True))
    assert made.coverage is not None
    assert 0.2 < made.coverage < 0.5
    assert made.uncovered
    assert made.uncovered[0][0] >= 1_500


async def test_every_language_is_that_of_its_channel() -> None:
    class Two(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            made = await super().decode(window, options)
            code = "de" if int(np.abs(window.samples).max()) == 900 else "en"
            return Hypothesis(**{**made.__dict__, "language": code, "language_probabilities": {code: 1.0}})

    recordings = {"call": [levels(900, 900, 900, 0), levels(0, 0, 0, 600)]}
    made = await transcribe(await ready(Two(), **recordings), b"call", Options(multichannel=True))
    assert {(segment.speaker, segment.language) for segment in made.segments} == {
        ("channel_0", "de"), ("channel_1", "en")
    }  # fmt: skip
    assert made.language == "de"
    assert made.languages == ("de", "en")


async def test_an_echo_is_not_transcribed_twice_and_the_caller_knows() -> None:
    rng = np.random.default_rng(1)
    voice = np.concatenate([rng.normal(0, 3_000, 48_000), np.zeros(16_000)]).astype(np.int16)
    made = await transcribe(
        await ready(call=[voice, (voice * 0.1).astype(np.int16)]), b"call", Options(multichannel=True, vad=None)
    )
    assert {segment.speaker for segment in made.segments} == {"channel_0"}
    assert [notice.code for notice in made.notices] == ["echo_left_out"]
    assert "channel_1" in made.notices[0].message


async def test_progress_and_segments_are_those_of_all() -> None:
    pipeline, passed, last = await ready(), list[str](), Progress(0, 0)
    async with aclosing(pipeline.segments(b"call", ASKED, Call())) as steps:
        async for step in steps:
            if isinstance(step, Transcript):
                assert passed == [segment.text for segment in step.segments]
                break
            assert step.done >= last.done
            last = step
            passed += [segment.text for segment in step.segments]
    assert last.done == last.total > 0


class Kept:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.found = dict[int, bytes]()

    async def save(self, window: int, data: bytes) -> None:
        assert window not in self.found
        self.found[window] = data


async def test_windows_of_all_channels_have_their_own_numbers_in_a_checkpoint() -> None:
    engine, kept = Engine(), Kept()
    first = await transcribe(await ready(engine), b"call", ASKED, Call(checkpoint=kept))
    assert len(kept.found) > 1
    asked = len(engine.asked)
    again = await transcribe(await ready(engine), b"call", ASKED, Call(checkpoint=kept))
    assert len(engine.asked) == asked
    assert again == first


async def test_one_channel_and_silence() -> None:
    only = await transcribe(await ready(one=[CALL[0]]), b"one", Options(multichannel=True))
    assert {segment.speaker for segment in only.segments} == {"channel_0"}
    silent = await transcribe(await ready(one=[levels(0, 0), levels(0, 0)]), b"one", Options(multichannel=True))
    assert (silent.text, silent.coverage, silent.duration_ms) == ("", 1.0, 2_000)
