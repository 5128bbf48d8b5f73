"""The core: bytes in, Transcript out. Everything else is a door into it.

decode -> spans of speech -> windows -> engine, side by side -> assemble. Cancelling `transcribe` cancels all of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from endpoint.audio.decode import Decoder
from endpoint.audio.spans import find_spans
from endpoint.audio.window import cut, pack
from endpoint.errors import EndpointError, EngineFailed, NotReady
from endpoint.multilingual import pack_by_language
from endpoint.repair import decode_fully, settle_language
from endpoint.tasks import together
from endpoint.text.assemble import assemble, language_shares
from endpoint.text.coverage import account
from endpoint.text.judge import is_silence
from endpoint.types import SAMPLE_RATE, Audio, Engine, EngineInfo, Hypothesis, Options, Span, Transcript, Window

log = structlog.get_logger(__name__)

DETECT_WINDOWS = 8  # spread over the file
PROMPT_RESET_TEMPERATURE = 0.5  # openai/whisper transcribe.py
PROMPT_CHARACTERS = 2_000  # more than 223 tokens of any language hold
WINDOWS_AT_ONCE = 32  # of one file; a long file leaves room in the engine's batch for others

Progress = Callable[[int, int], None]  # windows done, windows in all


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
        self, data: bytes | bytearray, options: Options, progress: Progress | None = None
    ) -> Transcript:
        """Transcribe one file of any container.

        Raises InvalidAudio, TooLarge and DeadlineExceeded for the file, InvalidRequest for the options,
        NotReady and EngineFailed for the engine.
        """
        await self.check()
        options = options.spoken_in(self._language)
        began = time.perf_counter()
        audio = await self._decoder.decode(data, options.vad is not None)
        decoded = time.perf_counter()
        # In a thread: 0.1 s for four hours, in which the event loop serves others.
        speech, windows = await asyncio.to_thread(_windows, audio, options, self._longest)
        if speech and options.multilingual:
            windows = await pack_by_language(self._engine, audio, speech, self._longest, options)
        hypotheses = await self.run(windows, options, progress)
        hypotheses = await settle_language(self._engine, hypotheses, options)
        timings = {"decode": decoded - began, "engine": time.perf_counter() - decoded}
        transcript = assemble(hypotheses, options, audio.duration_ms, timings)
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

    async def run(
        self, windows: Sequence[Window], options: Options, progress: Progress | None = None
    ) -> list[Hypothesis]:
        """Hypotheses of `windows`, in their order; a failure cancels the rest."""
        if options.condition_on_previous_text:
            return await self._run_in_turn(windows, options, progress)
        places = asyncio.Semaphore(WINDOWS_AT_ONCE)
        done = 0

        async def one(window: Window) -> list[Hypothesis]:
            nonlocal done
            async with places:
                found = await decode_fully(self._engine, window, options)
            done += 1
            if progress is not None:
                progress(done, len(windows))
            return found

        return [hypothesis for found in await together(map(one, windows)) for hypothesis in found]

    async def _run_in_turn(
        self, windows: Sequence[Window], options: Options, progress: Progress | None
    ) -> list[Hypothesis]:
        """One window after the other, each prompted with the text before it, as the reference does."""
        done: list[Hypothesis] = []
        given = options
        for number, window in enumerate(windows, 1):
            done += await decode_fully(self._engine, window, given)
            # Text that took a high temperature is no good guide to what follows, nor is what was heard in silence.
            trusted = [h.text for h in done if h.temperature <= PROMPT_RESET_TEMPERATURE and not is_silence(h)]
            given = replace(options, prompt="".join([options.prompt or "", *trusted])[-PROMPT_CHARACTERS:])
            if progress is not None:
                progress(number, len(windows))
        return done

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
