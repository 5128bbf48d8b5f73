"""The core: bytes in, settled segments and a transcript out.

decode -> spans of speech -> windows -> engine, in parallel -> assemble. Each channel goes this way by itself where that
is asked for; who speaks is found beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from endpoint.admission import Urgency
from endpoint.audio.decode import AudioDecoder
from endpoint.audio.peaks import peaks_of
from endpoint.audio.window import cut
from endpoint.audio.worker.protocol import Selection
from endpoint.call import Call, Stage
from endpoint.core.channels import transcribe_channels
from endpoint.core.gate import Gate
from endpoint.core.measured import MeasuredEngine
from endpoint.core.recording import Recording, Work
from endpoint.core.speakers import Labels, SpeakerFinder
from endpoint.core.transcriber import Progress, Steps
from endpoint.core.windows import WindowPlanner
from endpoint.core.word_sets import NO_WORDS, WordSets
from endpoint.errors import EndpointError, EngineFailed, NotReady
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.speakers.turns import Diarizer
from endpoint.tasks import produced, together
from endpoint.text.assemble import language_shares
from endpoint.types import SAMPLE_RATE, Audio, Engine, EngineInfo, EngineLoad, Notice, Transcript

DETECT_WINDOWS = 8  # spread over the file

Emit = Callable[[Progress | Transcript], None]


class Pipeline:
    """The Transcriber on this machine. Owns an engine; decoder and diarizer may be shared with pipelines that start and
    stop together with this one.

    window_seconds: the longest window the model is given. language: of files for which the caller names none.
    words: replacements and other sets of words of the server. diarizer: finds who speaks when; None: there is none.
    """

    def __init__(
        self,
        engine: Engine,
        decoder: AudioDecoder,
        window_seconds: float,
        *,
        language: str | None = None,
        words: WordSets = NO_WORDS,
        diarizer: Diarizer | None = None,
    ) -> None:
        self._engine, self._decoder, self._words, self._diarizer = engine, decoder, words, diarizer
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
            if self._diarizer is not None:
                await self._diarizer.close()

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
        asked = options
        if options.speakers is not None:  # segments are cut between words
            options = replace(options, words=True)
        notices = self._engine.check_options(options)
        work = Work(MeasuredEngine(self._engine, call.record), self._gate, options, call, self._longest)
        if options.multichannel:
            transcript, found = await self._channels(data, work, emit)
        elif options.speakers is not None:
            transcript, found = await self._labelled(data, work, Labels(asked, emit))
        else:
            transcript, found = await self._mixed(data, work, emit)
        seconds = call.record.languages.get(transcript.language, 0.0) + transcript.duration_ms / 1000
        call.record.languages[transcript.language] = seconds
        emit(replace(transcript, notices=(*found, *notices, *transcript.notices, *_as_recognized(options))))

    async def _mixed(
        self,
        data: bytes | MemoryFile,
        work: Work,
        emit: Callable[[Progress], None],
        whole_sound: asyncio.Future[Audio] | None = None,
    ) -> tuple[Transcript, Sequence[Notice]]:
        """The transcript of all channels together, and the notices of the file. whole_sound: gets the sound."""
        recording = Recording(work, emit)
        async with aclosing(self._sound(data, work.options, work.call)) as sound:
            async for audio, whole in sound:
                if whole and whole_sound is not None:
                    whole_sound.set_result(audio)
                await recording.decode(await recording.plan(audio, whole), whole)
        transcript = recording.finish(audio)
        return replace(transcript, peaks=await _peaks([audio], work.options)), audio.notices

    async def _labelled(
        self, data: bytes | MemoryFile, work: Work, labels: Labels
    ) -> tuple[Transcript, Sequence[Notice]]:
        """The same with speakers, which are found while the text is."""
        finder = SpeakerFinder(self._diarizer, self._decoder, work.options, work.call)
        sound: asyncio.Future[Audio] = asyncio.get_running_loop().create_future()
        made = list[tuple[Transcript, Sequence[Notice]]]()

        async def transcribe() -> None:
            made.append(await self._mixed(data, work, labels.passed, sound))

        async def label() -> None:
            await finder.prepare()
            audio = await sound
            labels.expect(audio.duration_ms)
            labels.learn(await finder.find(audio))

        await together([transcribe(), label()])
        transcript, notices = made[0]
        return labels.finish(transcript), notices

    async def _channels(self, data: bytes | MemoryFile, work: Work, emit: Emit) -> tuple[Transcript, Sequence[Notice]]:
        """The transcript of each channel by itself, put together."""
        options, call = work.options, work.call
        began = time.perf_counter()
        channels = await self._decoder.decode_channels(data, _selection(options))
        _count_decoding(call, channels[0], time.perf_counter() - began)
        # The recording counts once for its caller, and as often as it is worked on for what is under way.
        await call.admit(len(channels[0].samples) / SAMPLE_RATE, len(channels) * _passes(options))
        transcript = await transcribe_channels(channels, work, emit)
        return replace(transcript, peaks=await _peaks(channels, options)), channels[0].notices

    async def _sound(
        self, data: bytes | MemoryFile, options: Options, call: Call
    ) -> AsyncGenerator[tuple[Audio, bool], None]:
        """The decoded recording, and whether it is whole. With options.incremental its beginning may come first.

        While the beginning is transcribed, voice activity detection goes on with the rest.
        """
        began = time.perf_counter()
        beginning = asyncio.get_running_loop().create_future()
        begun = beginning.set_result if options.incremental else None
        decoding = asyncio.ensure_future(self._decoder.decode(data, True, begun, _selection(options)))
        try:
            await asyncio.wait({decoding, beginning}, return_when=asyncio.FIRST_COMPLETED)
            if beginning.done():
                yield beginning.result(), False
            audio = await decoding
            _count_decoding(call, audio, time.perf_counter() - began)
            await call.admit(len(audio.samples) / SAMPLE_RATE, _passes(options))
            yield audio, True
        finally:
            decoding.cancel()
            await asyncio.gather(decoding, return_exceptions=True)

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


def _selection(options: Options) -> Selection:
    return Selection(options.audio_track, options.start_ms, options.end_ms)


async def _peaks(channels: Sequence[Audio], options: Options) -> bytes:
    """The waveform, of the loudest channel at each place; empty where it is not asked for."""
    if not options.peaks:
        return b""
    made = [await asyncio.to_thread(peaks_of, audio.samples, options.peaks) for audio in channels]
    return bytes(map(max, zip(*made, strict=True)))


def _passes(options: Options) -> int:
    """Of the model over the sound."""
    return 2 if options.multilingual else 1


def _as_recognized(options: Options) -> Iterator[Notice]:
    """A worker may lack the language model that the server which took the job has."""
    if options.postprocess:
        what = ", ".join(options.postprocess)
        yield Notice("postprocess_incomplete", f"{what}: no language model where this was transcribed", "postprocess[]")


def _count_decoding(call: Call, audio: Audio, seconds: float) -> None:
    """seconds: that decoding took, and waiting for it."""
    spent = audio.decode_seconds + audio.vad_seconds
    call.record.add(Stage.DECODE, spent=audio.decode_seconds, waited=seconds - spent)
    call.record.add(Stage.VAD, spent=audio.vad_seconds)
