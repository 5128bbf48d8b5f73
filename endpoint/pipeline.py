"""The core: bytes in, Transcript out. Everything else is a door into it.

decode -> spans of speech -> windows -> engine, side by side -> assemble. Cancelling `transcribe` cancels all of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from endpoint.audio.decode import Decoder
from endpoint.audio.spans import find_spans
from endpoint.audio.window import cut, pack
from endpoint.errors import EndpointError, EngineFailed, NotReady
from endpoint.multilingual import pack_by_language
from endpoint.repair import decode_fully, settle_language
from endpoint.tasks import Places, in_order, together
from endpoint.text.assemble import Assembler, language_shares
from endpoint.text.coverage import account
from endpoint.text.judge import is_silence
from endpoint.types import (
    SAMPLE_RATE,
    Audio,
    Engine,
    EngineInfo,
    Hypothesis,
    Options,
    Segment,
    Span,
    Transcript,
    Window,
)

log = structlog.get_logger(__name__)

DETECT_WINDOWS = 8  # spread over the file
PROMPT_RESET_TEMPERATURE = 0.5  # openai/whisper transcribe.py
PROMPT_CHARACTERS = 2_000  # more than 223 tokens of any language hold
WINDOWS_AT_ONCE = 32  # of one file; a long file leaves room in the engine's batch for others

Progress = Callable[[int, int], None]  # windows done, windows in all; 0 done once the file is known to be audio
Take = Callable[[list[Hypothesis]], Awaitable[None]]
Heard = Callable[[Sequence[Segment]], None]  # segments that nothing changes any more, in order


def _ignore(done: int, total: int) -> None:
    """The Progress that nobody follows."""


class Pipeline:
    """Owns the decoder and the engine. `window_seconds` is the longest window the model is given.

    counts: what was done since the start: files, windows, windows decoded again (`repeated`), milliseconds of speech
    that got no text (`uncovered_ms`).
    """

    def __init__(self, engine: Engine, decoder: Decoder, window_seconds: float) -> None:
        self._engine, self._decoder = engine, decoder
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
        data: bytes | bytearray,
        options: Options,
        progress: Progress = _ignore,
        heard: Heard | None = None,
    ) -> Transcript:
        """Transcribe one file of any container.

        heard: given every segment as soon as it is settled. The language of the file is then decided by what was
        heard so far, else by the whole of it.
        Raises InvalidAudio, TooLarge and DeadlineExceeded for the file, InvalidRequest for the options,
        NotReady and EngineFailed for the engine.
        """
        await self.check()
        began = time.perf_counter()
        audio = await self._decoder.decode(data, options.vad is not None)
        decoded = time.perf_counter()
        # In a thread: 0.1 s for four hours, in which the event loop serves others.
        speech, windows = await asyncio.to_thread(_windows, audio, options, self._longest)
        if speech and options.multilingual:
            windows = await pack_by_language(self._engine, audio, speech, self._longest, options)
        progress(0, len(windows))
        assembler = Assembler(options)
        if heard is None:
            hypotheses = await self.run(windows, options, progress)
            hypotheses = await settle_language(self._engine, hypotheses, options)
            assembler.feed(hypotheses)
        else:
            hypotheses = await self._tell(windows, options, progress, assembler, heard)
        timings = {"decode": decoded - began, "engine": time.perf_counter() - decoded}
        transcript = assembler.finish(audio.duration_ms, timings)
        if speech is not None:
            transcript = account(transcript, speech)
        self._count(windows, hypotheses, transcript)
        return transcript

    def _count(self, windows: Sequence[Window], hypotheses: Sequence[Hypothesis], transcript: Transcript) -> None:
        lost = sum(end - start for start, end in transcript.uncovered)
        repeated = len(hypotheses) - len(windows) + sum(h.temperature > 0 for h in hypotheses)
        self.counts.update(files=1, windows=len(windows), repeated=repeated, uncovered_ms=lost)
        if lost:
            total = self.counts["uncovered_ms"]
            log.warning("speech without text", coverage=transcript.coverage, spans=transcript.uncovered, total_ms=total)

    async def run(self, windows: Sequence[Window], options: Options, progress: Progress = _ignore) -> list[Hypothesis]:
        """Hypotheses of `windows`, in their order; a failure cancels the rest."""
        done = list[Hypothesis]()

        async def keep(found: list[Hypothesis]) -> None:
            done.extend(found)

        await self._decode(windows, options, progress, keep, WINDOWS_AT_ONCE)
        return done

    async def _tell(
        self, windows: Sequence[Window], options: Options, progress: Progress, assembler: Assembler, heard: Heard
    ) -> list[Hypothesis]:
        """The same, each window settled and told as soon as those before it are; the first one soon."""
        done, followers = list[Hypothesis](), iter([*windows[1:], None])

        async def tell(found: list[Hypothesis]) -> None:
            settled = await settle_language(self._engine, found, options, done)
            done.extend(settled)
            follower = next(followers)
            if segments := assembler.feed(settled, shared=follower is not None and follower.overlap > 0):
                heard(segments)

        await self._decode(windows, options, progress, tell, first=1)
        return done

    async def _decode(
        self, windows: Sequence[Window], options: Options, progress: Progress, take: Take, first: int
    ) -> None:
        """Decode windows, `first` of them at once to begin with; `take` gets each one's hypotheses in order."""
        if options.condition_on_previous_text:
            await self._decode_in_turn(windows, options, progress, take)
            return
        places = Places(first, WINDOWS_AT_ONCE)
        done = 0

        async def one(window: Window) -> list[Hypothesis]:
            nonlocal done
            async with places:
                found = await decode_fully(self._engine, window, options)
            done += 1
            progress(done, len(windows))
            return found

        await in_order(map(one, windows), take)

    async def _decode_in_turn(
        self, windows: Sequence[Window], options: Options, progress: Progress, take: Take
    ) -> None:
        """One window after the other, each prompted with the text before it, as the reference does."""
        given, texts = options, list[str]()
        for number, window in enumerate(windows, 1):
            found = await decode_fully(self._engine, window, given)
            # Text that took a high temperature is no good guide to what follows, nor is what was heard in silence.
            texts += [h.text for h in found if h.temperature <= PROMPT_RESET_TEMPERATURE and not is_silence(h)]
            given = replace(options, prompt="".join([options.prompt or "", *texts])[-PROMPT_CHARACTERS:])
            progress(number, len(windows))
            await take(found)

    async def detect(self, data: bytes | bytearray, options: Options) -> tuple[Mapping[str, float], int]:
        """(probability of each language, length in ms) of a file, heard in up to DETECT_WINDOWS of its windows."""
        await self.check()
        audio = await self._decoder.decode(data, options.vad is not None)
        _, windows = await asyncio.to_thread(_windows, audio, options, self._longest)
        windows = windows or cut(audio, self._longest)  # no speech found: the model's guess is better than none
        some = windows[:: -(-len(windows) // DETECT_WINDOWS)]
        heard = await together(self._engine.detect(window, options) for window in some)
        return language_shares(heard), audio.duration_ms


def _windows(audio: Audio, options: Options, longest: int) -> tuple[tuple[Span, ...] | None, list[Window]]:
    """Where there is speech, None if nobody wants to know; and the windows to decode, of at most `longest` samples."""
    if options.vad is None or audio.speech is None:
        return None, cut(audio, longest)
    speech = find_spans(audio.speech, len(audio.samples), options.vad)
    return speech, pack(audio, speech, longest)
