"""Speakers of a recording, found beside its text: when segments pass, what fails, what the caller learns."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from endpoint.call import Call, Stage
from endpoint.codec import decode_options, decode_transcript, encode_options, encode_transcript
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import Progress, transcribe
from endpoint.errors import EngineFailed, InvalidRequest
from endpoint.options import KnownVoice, Options, SpeakerHints
from endpoint.speakers.turns import Diarization, Turn
from endpoint.types import Transcript
from endpoint.voices import SpeakerTurn
from tests.speakers_support import Alternating, Recordings, levels
from tests.test_core_pipeline import Engine

PLAIN = Options(vad=None, speakers=SpeakerHints())
TALK = [levels(*range(600, 1_300, 100), 0, 800, 900, 1_000)]


async def ready(diarizer: Alternating | None, engine: Engine | None = None, **recordings: object) -> Pipeline:
    decoder = Recordings(talk=TALK, short=[levels(500)], voice=[levels(500, 500, 500)], **recordings)  # type: ignore[arg-type]
    pipeline = Pipeline(engine or Engine(), decoder, 5.0, diarizer=diarizer)  # type: ignore[arg-type]
    await pipeline.start()
    return pipeline


async def test_segments_have_one_speaker_and_the_words_are_those_without_speakers() -> None:
    diarizer = Alternating()
    pipeline = await ready(diarizer)
    made = await transcribe(pipeline, b"talk", PLAIN)
    plain = await transcribe(pipeline, b"talk", Options(vad=None))
    assert made.text == plain.text
    assert [segment.id for segment in made.segments] == list(range(len(made.segments)))
    assert {segment.speaker for segment in made.segments} == {"A", "B"}
    assert len(made.segments) > len(plain.segments)
    for segment in made.segments:
        assert segment.speaker == "AB"[(segment.start_ms + segment.end_ms) // 2 // 2_000 % 2]
        assert segment.words is None  # they were not asked for
    assert made.words is None
    assert made.speakers is not None
    assert made.speakers.names == ("A", "B")
    assert made.speakers.turns[0] == SpeakerTurn(0, 2_000, "A")
    assert plain.speakers is None


async def test_words_have_speakers_where_they_are_asked_for() -> None:
    made = await transcribe(await ready(Alternating()), b"talk", replace(PLAIN, words=True))
    assert made.words is not None
    assert [word for segment in made.segments for word in segment.words or ()] == list(made.words)
    for segment in made.segments:
        assert {word.speaker for word in segment.words or ()} == {segment.speaker}


async def test_segments_wait_for_the_speakers_and_are_not_lost() -> None:
    diarizer = Alternating()
    diarizer.gate.clear()
    pipeline, passed, shares = await ready(diarizer), list[str](), list[tuple[int, int]]()
    async with aclosing(pipeline.segments(b"talk", replace(PLAIN, incremental=True), Call())) as steps:
        async for step in steps:
            if isinstance(step, Transcript):
                assert passed == [segment.text for segment in step.segments]
                break
            assert isinstance(step, Progress)
            shares.append((step.done, step.total))
            passed += [segment.text for segment in step.segments]
            if step.done and 2 * step.done == step.total:  # all windows, and no speakers yet
                assert passed == []
                diarizer.gate.set()
    assert shares[-1][0] == shares[-1][1]
    assert [share[0] for share in shares] == sorted(share[0] for share in shares)


async def test_the_part_of_a_recording_has_the_times_of_the_file() -> None:
    made = await transcribe(await ready(Alternating()), b"talk", replace(PLAIN, start_ms=10_000))
    assert made.speakers is not None
    assert made.speakers.turns[0] == SpeakerTurn(10_000, 12_000, "A")
    assert made.segments[0].speaker == "A"
    assert made.segments[0].start_ms >= 10_000


async def test_overlapping_turns_are_both_kept() -> None:
    both = Diarization((Turn(0.0, 6.0, "A"), Turn(3.0, 12.0, "B")))
    made = await transcribe(await ready(Alternating(found=both)), b"talk", PLAIN)
    assert made.speakers is not None
    assert made.speakers.turns == (SpeakerTurn(0, 6_000, "A"), SpeakerTurn(3_000, 12_000, "B"))


async def test_fewer_speakers_than_asked_for_and_none_at_all_are_reported() -> None:
    asked = replace(PLAIN, speakers=SpeakerHints(number=5))
    made = await transcribe(await ready(Alternating()), b"talk", asked)
    assert [notice.code for notice in made.notices] == ["fewer_speakers"]
    assert made.speakers is not None
    assert (made.speakers.asked, len(made.speakers.names)) == (5, 2)
    silent = await transcribe(await ready(Alternating(found=Diarization(()))), b"talk", PLAIN)
    assert [notice.code for notice in silent.notices] == ["no_speakers"]
    assert {segment.speaker for segment in silent.segments} == {"A"}


async def test_known_voices_are_decoded_and_named() -> None:
    diarizer = Alternating()
    hints = SpeakerHints(least=2, most=3, known=(KnownVoice("Ann", b"voice"),))
    made = await transcribe(await ready(diarizer), b"talk", replace(PLAIN, speakers=hints))
    _, options = diarizer.asked[0]
    assert (options.num, options.minimum, options.maximum) == (None, 2, 3)
    assert (options.known[0].name, options.known[0].audio.duration_ms) == ("Ann", 3_000)
    assert {segment.speaker for segment in made.segments} == {"Ann", "A"}


@pytest.mark.parametrize(("voice", "part"), [(b"short", "1.0 s"), (b"nothing", "no audio"), (b"long", "11.0 s")])
async def test_a_reference_that_cannot_be_used_is_named(voice: bytes, part: str) -> None:
    hints = SpeakerHints(known=(KnownVoice("Ann", voice),))
    pipeline = await ready(Alternating(), long=[levels(*[500] * 11)])
    with pytest.raises(InvalidRequest, match=part) as caught:
        await transcribe(pipeline, b"talk", replace(PLAIN, speakers=hints))
    assert caught.value.param == "known_speaker_references[]"
    assert "Ann" in caught.value.message


async def test_without_models_the_command_is_named_and_nothing_is_decoded() -> None:
    engine = Engine()
    with pytest.raises(InvalidRequest, match="endpoint models pull speakers") as caught:
        await transcribe(await ready(None, engine), b"talk", PLAIN)
    assert caught.value.code == "speakers_not_installed"
    assert engine.asked == []


async def test_a_failure_of_either_ends_the_other() -> None:
    diarizer, engine = Alternating(), Engine()
    diarizer.failure = EngineFailed("the diarizer died")
    with pytest.raises(EngineFailed, match="diarizer"):
        await transcribe(await ready(diarizer, engine), b"talk", PLAIN)

    class Broken(Engine):
        async def decode(self, *_: object) -> None:  # type: ignore[override]
            await diarizer.began.wait()
            raise EngineFailed("the engine died")

    diarizer = Alternating()
    diarizer.gate.clear()
    with pytest.raises(EngineFailed, match="engine died"):
        await transcribe(await ready(diarizer, Broken()), b"talk", PLAIN)
    assert diarizer.cancelled == 1


async def test_cancelling_ends_the_diarizer_and_closing_closes_it() -> None:
    diarizer = Alternating()
    diarizer.gate.clear()
    pipeline = await ready(diarizer)
    task = asyncio.create_task(transcribe(pipeline, b"talk", PLAIN))
    await diarizer.began.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert diarizer.cancelled == 1
    await pipeline.close()
    assert diarizer.closed == 1


async def test_its_time_is_a_stage() -> None:
    call = Call()
    await transcribe(await ready(Alternating()), b"talk", PLAIN, call)
    assert call.record.spent[Stage.SPEAKERS] > 0


async def test_everything_passes_through_the_codec() -> None:
    hints = SpeakerHints(3, 1, 4, (KnownVoice("Änn", bytes(range(256))),))
    options = replace(PLAIN, speakers=hints, multichannel=True)
    assert decode_options(encode_options(options)) == options
    made = await transcribe(await ready(Alternating()), b"talk", replace(PLAIN, words=True))
    assert decode_transcript(encode_transcript(made)) == made
