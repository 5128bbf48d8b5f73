"""One line of sound, which is a recording or one of its channels: windows are decoded, segments are settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from endpoint.audio.spans import find_sure_spans
from endpoint.call import Call, Counted, Stage
from endpoint.core.continuation import decode_once
from endpoint.core.dispatch import WINDOWS_AT_ONCE, Dispatcher
from endpoint.core.gate import Gate
from endpoint.core.language import FileLanguage
from endpoint.core.multilingual import pack_by_language
from endpoint.core.transcriber import Progress
from endpoint.core.windows import WindowPlanner
from endpoint.options import Options, VadOptions
from endpoint.text.assemble import Assembler
from endpoint.text.coverage import account, missing
from endpoint.text.cues import timestamp
from endpoint.types import (
    Audio,
    Hypothesis,
    Notice,
    Segment,
    Span,
    Transcript,
    Window,
    WindowEngine,
    ms_to_samples,
    samples_to_ms,
)

log = structlog.get_logger(__name__)

SECOND_AT_ONCE = 4  # windows of a stream at once, after those of its beginning

Emit = Callable[[Progress], None]


@dataclass(frozen=True)
class Work:
    """What all lines of a recording share. longest: samples of a window at most."""

    engine: WindowEngine
    gate: Gate
    options: Options
    call: Call
    longest: int


class Recording:
    """Its windows are decoded in any order; what they hold is settled and emitted in order.

    `plan` and `decode` in turn, with as much of the sound as is there, and with all of it the last time; then `finish`.
    emit: gets the progress. windows: how many so far. spoken_ms: its speech, once it is finished.
    """

    def __init__(self, work: Work, emit: Emit) -> None:
        self._work, self._emit = work, emit
        options = work.options
        self._planner = WindowPlanner(options, work.longest)
        self._dispatcher = Dispatcher(work.engine, work.gate, options, work.call, self._decoded)
        self._language = FileLanguage(options, partial(decode_once, work.engine))
        self._assembler, self._hypotheses = Assembler(options), list[Hypothesis]()
        self.windows = self.spoken_ms = 0
        self._done = self._total = 0  # samples of them

    def number_from(self, first: int) -> None:
        """The number that its first window has in the checkpoint."""
        self._dispatcher.count = first

    async def plan(self, audio: Audio, whole: bool) -> list[Window]:
        """The next windows."""
        planner, options = self._planner, self._work.options
        # In a thread: four hours of sound take 0.1 s, which would block the event loop.
        windows = await asyncio.to_thread(planner.flush if whole else planner.feed, audio)
        if whole and planner.speech and options.multilingual:
            windows = await pack_by_language(self._work.engine, audio, planner.speech, self._work.longest, options)
        return [window.later(ms_to_samples(options.start_ms)) for window in windows]

    async def decode(self, windows: Sequence[Window], last: bool) -> None:
        """Decode the next windows. last: there will be no more, and all is settled."""
        first = WINDOWS_AT_ONCE if not self._work.options.incremental else SECOND_AT_ONCE if self.windows else 1
        self.windows += len(windows)
        self._total += sum(len(window.samples) for window in windows)
        if windows or last:
            self._progress()
        await self._dispatcher.decode_each(windows, self._take, at_first=first)
        if last and (settled := await self._language.flush()):
            self._feed(settled, False)

    def finish(self, audio: Audio) -> Transcript:
        """The transcript of the whole sound."""
        options = self._work.options
        with self._work.call.record.spending(Stage.ASSEMBLE):
            transcript = self._assembler.finish(audio.duration_ms)
            speech, sure = (_of_file(spans, options) for spans in (self._planner.speech, _sure(audio, options)))
            transcript = account(transcript, speech, sure, self._hypotheses)
            transcript = missing(transcript, speech, audio.unreadable)
        self.spoken_ms = samples_to_ms(sum(span.end - span.start for span in speech))
        transcript = replace(transcript, notices=tuple(_cut_off(self._hypotheses)))
        self._count(transcript)
        return transcript

    def _decoded(self, window: Window) -> None:
        self._done += len(window.samples)
        self._progress()

    async def _take(self, found: list[Hypothesis], shared: bool) -> None:
        self._feed(await self._language.feed(found), shared)

    def _feed(self, settled: Sequence[Hypothesis], shared: bool) -> None:
        self._hypotheses += settled
        with self._work.call.record.spending(Stage.ASSEMBLE):
            segments = self._assembler.feed(settled, shared=shared)
        if segments:
            self._progress(segments)

    def _progress(self, segments: Sequence[Segment] = ()) -> None:
        self._emit(Progress(samples_to_ms(self._done), samples_to_ms(self._total), tuple(segments)))

    def _count(self, transcript: Transcript) -> None:
        lost = sum(end - start for start, end in transcript.uncovered)
        counts = self._work.call.record.counts
        counts[Counted.WINDOWS] += self.windows
        hotter = sum(hypothesis.temperature > self._work.options.temperature for hypothesis in self._hypotheses)
        counts[Counted.FALLBACKS] += hotter
        counts[Counted.CONTINUATIONS] += max(0, len(self._hypotheses) - self.windows)
        counts[Counted.UNCOVERED_MS] += lost
        if lost:
            log.warning("speech without text", coverage=transcript.coverage, spans=transcript.uncovered)


def _sure(audio: Audio, options: Options) -> tuple[Span, ...]:
    assert audio.speech is not None
    return find_sure_spans(audio.speech, len(audio.samples), options.vad or VadOptions())


def _of_file(spans: Sequence[Span], options: Options) -> tuple[Span, ...]:
    """Spans of the part that was decoded, counted from the start of the file."""
    return tuple(span.later(ms_to_samples(options.start_ms)) for span in spans)


def _cut_off(hypotheses: Sequence[Hypothesis]) -> Iterator[Notice]:
    for hypothesis in hypotheses:
        if not hypothesis.complete and hypothesis.pieces and hypothesis.pieces[-1].end_ms is None:
            where = timestamp(hypothesis.window.start_ms)
            yield Notice("text_cut", f"the text from {where} on is cut off: it has as many tokens as are allowed")
