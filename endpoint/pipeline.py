"""The core: bytes in, Transcript out. Everything else is a door into it.

decode -> spans of speech -> windows -> engine, side by side -> assemble. Cancelling `transcribe` cancels all of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from endpoint.audio.decode import Decoder
from endpoint.audio.spans import find_spans, find_sure_spans
from endpoint.audio.window import cut, pack, widen
from endpoint.errors import EndpointError, EngineFailed, NotReady
from endpoint.fanout import Progress, decode_each, ignore
from endpoint.memfile import MemoryFile
from endpoint.multilingual import pack_by_language
from endpoint.options import Options, VadOptions
from endpoint.repair import settle_language
from endpoint.tasks import together
from endpoint.text.assemble import Assembler, language_shares
from endpoint.text.coverage import account, missing
from endpoint.text.format import timestamp
from endpoint.types import SAMPLE_RATE, Audio, Engine, EngineInfo, Hypothesis, Notice, Segment, Span, Transcript, Window

log = structlog.get_logger(__name__)

DETECT_WINDOWS = 8  # spread over the file
SECOND_AT_ONCE = 4  # windows of a stream after those of its beginning

Heard = Callable[[Sequence[Segment]], None]  # segments that nothing changes any more, in order


@dataclass(frozen=True)
class _Work:
    """What was decoded of a file. decoded: when its sound was there, a time.perf_counter()."""

    audio: Audio
    speech: tuple[Span, ...]
    windows: Sequence[Window]
    hypotheses: Sequence[Hypothesis]
    decoded: float


class Pipeline:
    """Owns an engine; the decoder may be shared with pipelines that start and stop together with this one.

    window_seconds: of the longest window the model is given. language: of files for which none is asked.

    counts: what was done since the start: files, windows, windows decoded again (`repeated`), milliseconds of speech
    that got no text (`uncovered_ms`).
    """

    def __init__(self, engine: Engine, decoder: Decoder, window_seconds: float, language: str | None = None) -> None:
        self._engine, self._decoder = engine, decoder
        self._language = language if engine.info.multilingual else None
        self._longest = int(window_seconds * SAMPLE_RATE)
        self.counts: Counter[str] = Counter()
        self._ready = False
        self._failure: EndpointError | None = None

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def start(self) -> None:
        """Load the model. Raises EngineFailed; `check` then says why ever after."""
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
        """Raises NotReady while the model loads, EngineFailed when it can answer no more."""
        if self._failure is not None:
            raise EngineFailed(f"the model could not be loaded: {self._failure.message}")
        if not self._ready:
            raise NotReady("the model is still loading; try again in a few seconds")
        await self._engine.check()

    async def transcribe(
        self,
        data: bytes | MemoryFile,
        options: Options,
        progress: Progress = ignore,
        heard: Heard | None = None,
    ) -> Transcript:
        """Transcribe one file of any container.

        progress: called with 0 done once the file is known to be audio.
        heard: given every segment as soon as it is settled. The language of the file is then decided by what was
        heard so far, else by the whole of it.
        Raises InvalidAudio, TooLarge and DeadlineExceeded for the file, InvalidRequest for the options,
        NotReady and EngineFailed for the engine.
        """
        await self.check()
        options = options.spoken_in(self._language).known_to(self._engine.info.languages)
        notices = self._engine.check_options(options)
        began = time.perf_counter()
        assembler = Assembler(options)
        if heard is None:
            work = await self._whole(data, options, progress, assembler)
        else:
            work = await self._aloud(data, options, progress, assembler, heard)
        timings = {"decode": work.decoded - began, "engine": time.perf_counter() - work.decoded}
        transcript = assembler.finish(work.audio.duration_ms, timings)
        transcript = account(transcript, work.speech, _sure(work.audio, options), work.hypotheses)
        transcript = missing(transcript, work.speech, work.audio.unreadable)
        said = (*work.audio.notices, *notices, *_cut_off(work.hypotheses))
        transcript = replace(transcript, notices=said)
        self._count(work.windows, work.hypotheses, transcript)
        return transcript

    def _count(self, windows: Sequence[Window], hypotheses: Sequence[Hypothesis], transcript: Transcript) -> None:
        lost = sum(end - start for start, end in transcript.uncovered)
        repeated = len(hypotheses) - len(windows) + sum(h.temperature > 0 for h in hypotheses)
        self.counts.update(files=1, windows=len(windows), repeated=repeated, uncovered_ms=lost)
        if lost:
            total = self.counts["uncovered_ms"]
            log.warning("speech without text", coverage=transcript.coverage, spans=transcript.uncovered, total_ms=total)

    async def run(self, windows: Sequence[Window], options: Options, progress: Progress = ignore) -> list[Hypothesis]:
        """Hypotheses of `windows`, in their order; a failure cancels the rest."""
        done = list[Hypothesis]()

        async def keep(found: list[Hypothesis], _: bool) -> None:
            done.extend(found)

        await decode_each(self._engine, windows, options, progress, keep)
        return done

    async def _whole(
        self, data: bytes | MemoryFile, options: Options, progress: Progress, assembler: Assembler
    ) -> _Work:
        audio = await self._decoder.decode(data, vad=True, track=options.audio_track)
        decoded = time.perf_counter()
        speech, windows = await self._plan(audio, options)
        progress(0, len(windows))
        hypotheses = await self.run(windows, options, progress)
        hypotheses = await settle_language(self._engine, hypotheses, options)
        assembler.feed(hypotheses)
        return _Work(audio, speech, windows, hypotheses, decoded)

    async def _aloud(
        self, data: bytes | MemoryFile, options: Options, progress: Progress, assembler: Assembler, heard: Heard
    ) -> _Work:
        """The same, each window settled and told as soon as those before it are.

        The first minute of a long recording is decoded while voice activity still listens to the rest.
        """
        hypotheses, windows, start = list[Hypothesis](), list[Window](), 0

        async def tell(found: list[Hypothesis], shared: bool) -> None:
            settled = await settle_language(self._engine, found, options, hypotheses)
            hypotheses.extend(settled)
            if segments := assembler.feed(settled, shared=shared):
                heard(segments)

        beginning = asyncio.get_running_loop().create_future()
        decoding = asyncio.ensure_future(self._decoder.decode(data, True, beginning.set_result, options.audio_track))
        try:
            await asyncio.wait({decoding, beginning}, return_when=asyncio.FIRST_COMPLETED)
            in_order = options.vad is None or options.multilingual or options.condition_on_previous_text
            if beginning.done() and not in_order:
                windows = _first_windows(beginning.result(), options, self._longest)
                progress(0, len(windows))
                await decode_each(self._engine, windows, options, ignore, tell, first=1)
                start = windows[-1].speech[-1].end if windows else 0
            audio = await decoding
            decoded, done = time.perf_counter(), len(windows)
            speech, rest = await self._plan(audio, options, start)
            windows += rest
            progress(done, len(windows))
            first = SECOND_AT_ONCE if done else 1
            await decode_each(self._engine, rest, options, lambda n, m: progress(done + n, done + m), tell, first=first)
            return _Work(audio, speech, windows, hypotheses, decoded)
        finally:
            decoding.cancel()
            await asyncio.gather(decoding, return_exceptions=True)

    async def _plan(self, audio: Audio, options: Options, start: int = 0) -> tuple[tuple[Span, ...], list[Window]]:
        """Where there is speech, and the windows to decode, from sample `start` on."""
        # In a thread: 0.1 s for four hours, in which the event loop serves others.
        speech, windows = await asyncio.to_thread(_windows, audio, options, self._longest, start)
        if speech and options.multilingual:
            windows = await pack_by_language(self._engine, audio, speech, self._longest, options)
        return speech, windows

    async def detect(self, data: bytes | MemoryFile, options: Options) -> tuple[Mapping[str, float], int]:
        """(probability of each language, length in ms) of a file, heard in up to DETECT_WINDOWS of its windows."""
        await self.check()
        audio = await self._decoder.decode(data, vad=True, track=options.audio_track)
        _, windows = await asyncio.to_thread(_windows, audio, options, self._longest, 0)
        windows = windows or cut(audio, self._longest)  # no speech found: the model's guess is better than none
        some = windows[:: -(-len(windows) // DETECT_WINDOWS)]
        heard = await together(self._engine.detect(window, options) for window in some)
        return language_shares(heard), audio.duration_ms


def _windows(audio: Audio, options: Options, longest: int, start: int) -> tuple[tuple[Span, ...], list[Window]]:
    """Without voice activity the windows cover everything; where speech is counts all the same."""
    assert audio.speech is not None
    speech = find_spans(audio.speech, len(audio.samples), options.vad or VadOptions())
    if options.vad is None:
        return speech, cut(audio, longest, speech)
    rest = [span for span in speech if span.start >= start]
    low = _middle(start, rest[0]) if start and rest else 0
    return speech, widen(audio, pack(audio, rest, longest), longest, low)


def _first_windows(beginning: Audio, options: Options, longest: int) -> list[Window]:
    """Windows of the speech in the beginning of a recording; its last span may go on, so it is left to the rest."""
    assert options.vad is not None
    assert beginning.speech is not None
    spans = find_spans(beginning.speech, len(beginning.samples), options.vad)
    if len(spans) < 2:
        return []
    windows = pack(beginning, spans[:-1], longest)
    return widen(beginning, windows, longest, high=_middle(spans[-2].end, spans[-1]))


def _middle(end: int, following: Span) -> int:
    """Of the pause between the speech that ended there and the next: the windows on both sides share it."""
    return (end + following.start) // 2


def _sure(audio: Audio, options: Options) -> tuple[Span, ...]:
    assert audio.speech is not None
    return find_sure_spans(audio.speech, len(audio.samples), options.vad or VadOptions())


def _cut_off(hypotheses: Sequence[Hypothesis]) -> Iterator[Notice]:
    for hypothesis in hypotheses:
        if not hypothesis.complete and hypothesis.pieces and hypothesis.pieces[-1].end_ms is None:
            where = timestamp(hypothesis.window.start_ms)
            yield Notice("text_cut", f"the text from {where} on is cut off: it has as many tokens as are allowed")
