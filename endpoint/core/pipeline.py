"""The core: bytes in, settled segments and a transcript out.

decode -> spans of speech -> windows -> engine, in parallel -> assemble.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import structlog

from endpoint.admission import Urgency
from endpoint.audio.decode import AudioDecoder
from endpoint.audio.peaks import peaks_of
from endpoint.audio.spans import find_sure_spans
from endpoint.audio.window import cut
from endpoint.audio.worker.protocol import Selection
from endpoint.call import Call, Counted, Record, Stage
from endpoint.core.continuation import decode_once
from endpoint.core.dispatch import WINDOWS_AT_ONCE, Dispatcher
from endpoint.core.gate import Gate
from endpoint.core.language import FileLanguage
from endpoint.core.measured import MeasuredEngine
from endpoint.core.multilingual import pack_by_language
from endpoint.core.transcriber import Progress, Steps
from endpoint.core.windows import WindowPlanner
from endpoint.core.word_sets import NO_WORDS, WordSets
from endpoint.errors import EndpointError, EngineFailed, NotReady
from endpoint.memfile import MemoryFile
from endpoint.options import Options, VadOptions
from endpoint.tasks import produced, together
from endpoint.text.assemble import Assembler, language_shares
from endpoint.text.coverage import account, missing
from endpoint.text.cues import timestamp
from endpoint.types import (
    SAMPLE_RATE,
    Audio,
    Engine,
    EngineInfo,
    EngineLoad,
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

DETECT_WINDOWS = 8  # spread over the file
SECOND_AT_ONCE = 4  # windows of a stream at once, after those of its beginning

Emit = Callable[[Progress | Transcript], None]


class Pipeline:
    """The Transcriber on this machine. Owns an engine; the decoder may be shared with pipelines that start and stop
    together with this one.

    window_seconds: the longest window the model is given. language: of files for which the caller names none.
    words: replacements and other sets of words of the server.
    """

    def __init__(
        self,
        engine: Engine,
        decoder: AudioDecoder,
        window_seconds: float,
        language: str | None = None,
        words: WordSets = NO_WORDS,
    ) -> None:
        self._engine, self._decoder, self._words = engine, decoder, words
        self._language = language if engine.info.multilingual else None
        self._longest = int(window_seconds * SAMPLE_RATE)
        self._gate = Gate()
        self._ready = False
        self._failure: EndpointError | None = None

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def start(self) -> None:
        """Load the model. Raises EngineFailed; from then on `check` raises it too, with the reason."""
        try:
            await self._decoder.start()
            await self._engine.start()
        except EndpointError as error:
            self._failure = error
            raise
        self._ready = True

    async def close(self) -> None:
        self._ready = False
        try:
            await self._engine.close()
        finally:
            await self._decoder.close()

    async def check(self) -> None:
        """Raises NotReady while the model loads, EngineFailed when the engine has failed for good."""
        if self._failure is not None:
            raise EngineFailed(f"the model could not be loaded: {self._failure.message}")
        if not self._ready:
            raise NotReady("the model is still loading; try again in a few seconds")
        await self._engine.check()

    def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        """As Transcriber.segments."""
        return produced(lambda emit: self._transcribe(data, options, call, emit))

    async def _transcribe(self, data: bytes | MemoryFile, options: Options, call: Call, emit: Emit) -> None:
        await self.check()
        options = self._words.applied(options)
        options = options.spoken_in(self._language).known_to(self._engine.info.languages)
        notices = self._engine.check_options(options)
        planner = WindowPlanner(options, self._longest)
        engine = MeasuredEngine(self._engine, call.record)
        language = FileLanguage(options, partial(decode_once, engine))
        recording = _Recording(engine, self._gate, options, call, language=language, emit=emit)
        async with aclosing(self._sound(data, options, call)) as sound:
            async for audio, whole in sound:
                windows = await self._plan(engine, planner, audio, whole, options)
                await recording.decode(windows, whole)
        await recording.flush()
        with call.record.spending(Stage.ASSEMBLE):
            transcript = recording.assembler.finish(audio.duration_ms)
            speech, sure = (_of_file(spans, options) for spans in (planner.speech, _sure(audio, options)))
            transcript = account(transcript, speech, sure, recording.hypotheses)
            transcript = missing(transcript, speech, audio.unreadable)
        transcript = replace(
            transcript, notices=(*audio.notices, *notices, *_cut_off(recording.hypotheses), *_as_recognized(options))
        )
        if options.peaks:
            transcript = replace(transcript, peaks=await asyncio.to_thread(peaks_of, audio.samples, options.peaks))
        _count(call.record, recording, options, transcript)
        emit(transcript)

    async def _sound(
        self, data: bytes | MemoryFile, options: Options, call: Call
    ) -> AsyncGenerator[tuple[Audio, bool], None]:
        """The decoded recording, and whether it is whole. With options.incremental its beginning may come first.

        While the beginning is transcribed, voice activity detection goes on with the rest.
        """
        began = time.perf_counter()
        beginning = asyncio.get_running_loop().create_future()
        begun = beginning.set_result if options.incremental else None
        wanted = Selection(options.audio_track, options.start_ms, options.end_ms)
        decoding = asyncio.ensure_future(self._decoder.decode(data, True, begun, wanted))
        try:
            await asyncio.wait({decoding, beginning}, return_when=asyncio.FIRST_COMPLETED)
            if beginning.done():
                yield beginning.result(), False
            audio = await decoding
            spent = audio.decode_seconds + audio.vad_seconds
            call.record.add(Stage.DECODE, spent=audio.decode_seconds, waited=time.perf_counter() - began - spent)
            call.record.add(Stage.VAD, spent=audio.vad_seconds)
            await call.admit(len(audio.samples) / SAMPLE_RATE, 2 if options.multilingual else 1)
            yield audio, True
        finally:
            decoding.cancel()
            await asyncio.gather(decoding, return_exceptions=True)

    async def _plan(
        self, engine: WindowEngine, planner: WindowPlanner, audio: Audio, whole: bool, options: Options
    ) -> list[Window]:
        # In a thread: four hours of sound take 0.1 s, which would block the event loop.
        windows = await asyncio.to_thread(planner.flush if whole else planner.feed, audio)
        if whole and planner.speech and options.multilingual:
            windows = await pack_by_language(engine, audio, planner.speech, self._longest, options)
        return [window.later(ms_to_samples(options.start_ms)) for window in windows]

    async def load(self) -> EngineLoad:
        """What its engine does. Raises EngineFailed, NotReady."""
        steps, windows = await self._engine.steps()
        decoding = {urgency.label: self._gate.decoding[urgency] for urgency in Urgency}
        return EngineLoad(decoding, steps, windows)

    async def detect(self, data: bytes | MemoryFile, options: Options, call: Call) -> tuple[Mapping[str, float], int]:
        """As Transcriber.detect: from up to DETECT_WINDOWS of the file's windows."""
        await self.check()
        planner = WindowPlanner(options, self._longest)
        async with aclosing(self._sound(data, replace(options, incremental=False), call)) as sound:
            audio = [audio async for audio, _ in sound][-1]
        windows = await asyncio.to_thread(planner.flush, audio)
        windows = windows or cut(audio, self._longest)  # no speech found: the model's guess is better than nothing
        some = windows[:: -(-len(windows) // DETECT_WINDOWS)]
        engine = MeasuredEngine(self._engine, call.record)
        recognized = await together(engine.detect(window, options) for window in some)
        return language_shares(recognized), audio.duration_ms


class _Recording:
    """One recording: its windows are decoded in any order; what they hold is settled and emitted in order.

    windows: how many so far.
    """

    def __init__(
        self, engine: WindowEngine, gate: Gate, options: Options, call: Call, *, language: FileLanguage, emit: Emit
    ) -> None:
        self._dispatcher, self._language = Dispatcher(engine, gate, options, call, self._decoded), language
        self._options, self._record, self._emit = options, call.record, emit
        self.assembler, self.hypotheses = Assembler(options), list[Hypothesis]()
        self.windows = 0
        self._done = self._total = 0  # samples of them

    async def decode(self, windows: Sequence[Window], last: bool) -> None:
        """Decode the next windows. last: there will be no more."""
        first = WINDOWS_AT_ONCE if not self._options.incremental else SECOND_AT_ONCE if self.windows else 1
        self.windows += len(windows)
        self._total += sum(len(window.samples) for window in windows)
        if windows or last:
            self._progress()
        await self._dispatcher.decode_each(windows, self._take, at_first=first)

    def _decoded(self, window: Window) -> None:
        self._done += len(window.samples)
        self._progress()

    async def _take(self, found: list[Hypothesis], shared: bool) -> None:
        self._feed(await self._language.feed(found), shared)

    async def flush(self) -> None:
        """Settle what is left."""
        if settled := await self._language.flush():
            self._feed(settled, False)

    def _feed(self, settled: Sequence[Hypothesis], shared: bool) -> None:
        self.hypotheses += settled
        with self._record.spending(Stage.ASSEMBLE):
            segments = self.assembler.feed(settled, shared=shared)
        if segments:
            self._progress(segments)

    def _progress(self, segments: Sequence[Segment] = ()) -> None:
        self._emit(Progress(samples_to_ms(self._done), samples_to_ms(self._total), tuple(segments)))


def _count(record: Record, recording: _Recording, options: Options, transcript: Transcript) -> None:
    lost = sum(end - start for start, end in transcript.uncovered)
    record.counts[Counted.WINDOWS] += recording.windows
    hotter = sum(hypothesis.temperature > options.temperature for hypothesis in recording.hypotheses)
    record.counts[Counted.FALLBACKS] += hotter
    record.counts[Counted.CONTINUATIONS] += max(0, len(recording.hypotheses) - recording.windows)
    record.counts[Counted.UNCOVERED_MS] += lost
    seconds = record.languages.get(transcript.language, 0.0) + transcript.duration_ms / 1000
    record.languages[transcript.language] = seconds
    if lost:
        log.warning("speech without text", coverage=transcript.coverage, spans=transcript.uncovered)


def _sure(audio: Audio, options: Options) -> tuple[Span, ...]:
    assert audio.speech is not None
    return find_sure_spans(audio.speech, len(audio.samples), options.vad or VadOptions())


def _of_file(spans: Sequence[Span], options: Options) -> tuple[Span, ...]:
    """Spans of the part that was decoded, counted from the start of the file."""
    return tuple(span.later(ms_to_samples(options.start_ms)) for span in spans)


def _as_recognized(options: Options) -> Iterator[Notice]:
    """A worker may lack the language model that the server which took the job has."""
    if options.postprocess:
        what = ", ".join(options.postprocess)
        yield Notice("postprocess_incomplete", f"{what}: no language model where this was transcribed", "postprocess[]")


def _cut_off(hypotheses: Sequence[Hypothesis]) -> Iterator[Notice]:
    for hypothesis in hypotheses:
        if not hypothesis.complete and hypothesis.pieces and hypothesis.pieces[-1].end_ms is None:
            where = timestamp(hypothesis.window.start_ms)
            yield Notice("text_cut", f"the text from {where} on is cut off: it has as many tokens as are allowed")
