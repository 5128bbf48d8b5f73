"""Recordings of which each channel is a speaker, such as calls: each is transcribed by itself, and all are put together
by time. What is an echo of another channel is left out.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from endpoint.audio.echo import Cleaned, without_echoes
from endpoint.call import Stage
from endpoint.core.recording import Recording, Work
from endpoint.core.transcriber import Progress
from endpoint.tasks import together
from endpoint.text.interleave import Interleaver
from endpoint.text.speakers import turns_of
from endpoint.types import Audio, Notice, Segment, Transcript, Usage
from endpoint.voices import Speakers

Emit = Callable[[Progress], None]


def channel_name(index: int) -> str:
    """The speaker of a channel, counted from 0."""
    return f"channel_{index}"


async def transcribe_channels(channels: Sequence[Audio], work: Work, emit: Emit) -> Transcript:
    """The transcript of a recording's channels; they have one length. emit: gets the progress of all together.

    Its duration is that of the recording, its tokens are those of all channels. Raises as Transcriber.segments.
    """
    with work.call.record.spending(Stage.SPEAKERS):
        cleaned = await asyncio.to_thread(without_echoes, channels)
    merging = _Together(len(channels), emit)
    recordings = [Recording(work, merging.progress(k)) for k in range(len(channels))]
    planned = [await one.plan(clean.audio, True) for one, clean in zip(recordings, cleaned, strict=True)]
    firsts = itertools.accumulate((len(windows) for windows in planned), initial=0)
    for recording, first in zip(recordings, firsts, strict=False):
        recording.number_from(first)

    async def one(k: int) -> Transcript:
        await recordings[k].decode(planned[k], True)
        merging.end(k)
        return recordings[k].finish(cleaned[k].audio)

    transcripts = await together(one(k) for k in range(len(channels)))
    spoken = [recording.spoken_ms for recording in recordings]
    made = _joined(transcripts, merging.interleaver.segments, spoken)
    return replace(made, notices=(*made.notices, *_echo_notices(cleaned)))


class _Together:
    """The progress of all channels as one."""

    def __init__(self, count: int, emit: Emit) -> None:
        self.interleaver = Interleaver([channel_name(k) for k in range(count)])
        self._emit, self._steps = emit, [Progress(0, 0)] * count

    def progress(self, channel: int) -> Emit:
        def step(made: Progress) -> None:
            self._steps[channel] = made
            self._pass(self.interleaver.feed(channel, made.segments))

        return step

    def end(self, channel: int) -> None:
        self._pass(self.interleaver.end(channel))

    def _pass(self, segments: Sequence[Segment]) -> None:
        done, total = sum(step.done for step in self._steps), sum(step.total for step in self._steps)
        self._emit(Progress(done, total, tuple(segments)))


def _joined(transcripts: Sequence[Transcript], segments: Sequence[Segment], spoken: Sequence[int]) -> Transcript:
    """One transcript of all. Its language is that of the channel with the most text; segments have their own.

    spoken: milliseconds of speech in each channel, by which their coverage counts.
    """
    most = max(transcripts, key=lambda one: sum(segment.end_ms - segment.start_ms for segment in one.segments))
    total = sum(spoken)
    covered = sum((one.coverage or 0.0) * length for one, length in zip(transcripts, spoken, strict=True))
    words = sorted((word for segment in segments for word in segment.words or ()), key=lambda word: word.start_ms)
    return replace(
        most,
        segments=tuple(segments),
        words=None if most.words is None else tuple(words),
        usage=Usage(
            sum(one.usage.audio_tokens for one in transcripts),
            sum(one.usage.text_tokens for one in transcripts),
            sum(one.usage.output_tokens for one in transcripts),
        ),
        coverage=covered / total if total else 1.0,
        uncovered=tuple(sorted({span for one in transcripts for span in one.uncovered})),
        notices=tuple(notice for one in transcripts for notice in one.notices),
        speakers=Speakers(turns_of(segments)),
    )


def _echo_notices(cleaned: Sequence[Cleaned]) -> list[Notice]:
    return [
        Notice("echo_left_out", f"{clean.echo_ms / 1000:.1f} s of {channel_name(k)} are an echo, and were left out")
        for k, clean in enumerate(cleaned)
        if clean.echo_ms
    ]
