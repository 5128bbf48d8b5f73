"""One live session: a client's messages in, messages for the client out. Turns are transcribed by the ordinary core."""

from __future__ import annotations

import asyncio
import io
import time
import wave
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from endpoint.call import Call
from endpoint.core.transcriber import Transcriber, transcribe
from endpoint.errors import EndpointError
from endpoint.live.agreement import Agreement
from endpoint.live.pace import Pace
from endpoint.live.protocol import LiveProtocol, Message, Output, TurnSettings, Work
from endpoint.live.record import Lag, LiveRecord
from endpoint.live.session import OpenTurn, Turn
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Samples, Transcript, Word, samples_to_ms

log = structlog.get_logger(__name__)


class Charge(Protocol):
    """What the caller of a session is charged: turns, in milliseconds of audio."""

    async def take(self, audio_ms: int) -> None:
        """Reserve a turn. Raises RateLimited, QuotaExceeded, StoreUnavailable."""


@dataclass(frozen=True)
class Means:
    """What a session works with. find: the transcriber of a model. passing: a call around each pass with a model.
    charge: by the audio of turns. made: called with each turn that was transcribed, and its milliseconds. threads: for
    voice activity.
    """

    find: Callable[[str], Transcriber]
    passing: Callable[[str], AbstractContextManager[Call]]
    charge: Charge
    made: Callable[[Transcript, int], None]
    threads: Executor
    pace: Pace
    record: LiveRecord


@dataclass(frozen=True)
class _Final:
    """A turn that has ended and its work, which may have begun before. seconds: monotonic, when it ended."""

    turn: Turn
    task: asyncio.Task[Transcript]
    agreement: Agreement
    seconds: float


class Runner:
    """send: takes messages for the client, in order; it may raise, which ends the session."""

    def __init__(self, protocol: LiveProtocol, means: Means, send: Callable[[Sequence[Message]], None]) -> None:
        self._protocol, self._means, self._send = protocol, means, send
        self._lock = asyncio.Lock()  # the protocol is for one thread at a time
        self._sound = asyncio.Event()
        self._agreement: tuple[int, Agreement] | None = None  # of the turn of this number
        self._passed = 0  # the sample up to which the last interim pass went
        self._interim: asyncio.Task[None] | None = None
        self._ahead: tuple[Work, asyncio.Task[Transcript]] | None = None
        self._finals = asyncio.Queue[_Final | None]()

    async def receive(self, message: str | bytes) -> None:
        """Take a client's message. Voice activity is detected in a thread."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            outputs = await loop.run_in_executor(self._means.threads, self._protocol.receive, message)
            self._take(outputs)

    async def finish(self) -> None:
        """The client sends no more: `run` ends when the open turn is transcribed."""
        async with self._lock:
            self._take(await asyncio.get_running_loop().run_in_executor(self._means.threads, self._protocol.finish))
            self._finals.put_nowait(None)

    async def run(self) -> None:
        """Transcribe until `finish` has come to its end. Cancelling it ends all work."""
        own = {asyncio.create_task(self._pass_on()), asyncio.create_task(self._complete_all())}
        try:
            done, _ = await asyncio.wait(own, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            left = [*own, self._interim, self._ahead and self._ahead[1], *self._left()]
            for one in filter(None, left):
                one.cancel()
            await asyncio.gather(*filter(None, left), return_exceptions=True)

    async def _complete_all(self) -> None:
        while (final := await self._finals.get()) is not None:
            await self._complete(final)

    def _left(self) -> list[asyncio.Task[Transcript]]:
        tasks = []
        while not self._finals.empty():
            if (final := self._finals.get_nowait()) is not None:
                tasks.append(final.task)
        return tasks

    def _take(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if not isinstance(output, Work):
                self._send([output])
            elif output.final:
                self._finish_turn(output)
            else:
                self._begin_ahead(output)
        if self._protocol.session.open is None:  # cleared
            self._drop_ahead()
        self._sound.set()

    def _begin_ahead(self, work: Work) -> None:
        """The turn may be over: its text is there the sooner when it is, and else this was an interim pass."""
        self._drop_ahead()
        if self._interim is not None:
            self._interim.cancel()
        if len(work.turn.samples) <= WINDOW_SAMPLES:
            task = asyncio.create_task(self._transcribe_ahead(work))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # read: perhaps nobody else does
            self._ahead = work, task

    async def _transcribe_ahead(self, work: Work) -> Transcript:
        transcript = await self._transcribe(work)
        async with self._lock:
            turn = self._protocol.session.open
            if turn is not None and turn.number == work.turn.number:
                self._passed = work.turn.end
                agreement = self._agreed(turn.number, turn.speech, work.settings)
                self._agree(turn, agreement, shifted(transcript, samples_to_ms(work.turn.start)), work.turn.end)
        return transcript

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead[1].cancel()
            self._ahead = None

    def _finish_turn(self, work: Work) -> None:
        turn, task = work.turn, None
        if self._ahead is not None:
            begun, ahead = self._ahead
            same = (begun.turn.number, begun.turn.end, begun.settings) == (turn.number, turn.end, work.settings)
            task = ahead if same else None
            self._ahead = None
            if not same:
                ahead.cancel()
        if self._interim is not None:
            self._interim.cancel()
        task = task or asyncio.create_task(self._transcribe(work))
        agreement = self._agreed(turn.number, turn.start, work.settings)
        behind = (self._protocol.session.end - turn.end) / SAMPLE_RATE
        self._finals.put_nowait(_Final(turn, task, agreement, time.monotonic() - behind))

    def _agreed(self, number: int, start: int, settings: TurnSettings) -> Agreement:
        if self._agreement is None or self._agreement[0] != number:
            self._agreement = number, Agreement(samples_to_ms(start), settings.stability)
        return self._agreement[1]

    async def _transcribe(self, work: Work) -> Transcript:
        with self._means.pace.final():
            options = replace(work.settings.options, words=True)  # an interim pass needs them
            return await self._passed_through(work.turn.samples, work.settings, options)

    async def _passed_through(self, samples: Samples, settings: TurnSettings, options: Options) -> Transcript:
        with self._means.passing(settings.model) as call:
            async with call.deadline():
                return await transcribe(self._means.find(settings.model), MemoryFile(as_wave(samples)), options, call)

    async def _complete(self, final: _Final) -> None:
        turn, record, charge = final.turn, self._means.record, self._means.charge
        audio_ms = samples_to_ms(len(turn.samples))
        try:
            await charge.take(audio_ms)
            transcript = await final.task
            self._means.made(transcript, audio_ms)
        except EndpointError as error:
            final.task.cancel()
            record.counts["failed"] += 1
            async with self._lock:
                self._send(self._protocol.failed(turn, error))
            return
        record.counts["turns"] += 1
        record.observe(Lag.FINAL, time.monotonic() - final.seconds)
        async with self._lock:
            self._send(self._protocol.settled(turn, transcript.segments))
            self._send(self._protocol.completed(turn, transcript, final.agreement.agreed))

    # ---- interim text -------------------------------------------------------------------------------

    async def _pass_on(self) -> None:
        """Interim passes, one after the other."""
        while True:
            await self._sound.wait()
            self._sound.clear()
            while self._due():
                self._interim = asyncio.create_task(self._pass())
                await asyncio.wait({self._interim})
                if not self._interim.cancelled():
                    self._interim.result()
                self._interim = None

    def _due(self) -> bool:
        session = self._protocol.session
        turn = session.open
        if turn is None or turn.paused or self._protocol.settings is None:
            return False
        if self._ahead is not None and not self._ahead[1].done():
            return False
        return session.end - max(self._passed, turn.speech) >= self._means.pace.every

    async def _pass(self) -> None:
        session, record = self._protocol.session, self._means.record
        async with self._means.pace.interim():
            async with self._lock:
                turn, settings = session.open, self._protocol.settings
                if turn is None or turn.paused or settings is None:
                    return
                agreement = self._agreed(turn.number, turn.speech, settings)
                start_ms, end = agreement.anchor_ms, session.end
                samples = session.cut(start_ms * SAMPLE_RATE // 1000, end)
            self._passed = end
            record.counts["interims"] += 1
            try:
                transcript = await self._passed_through(samples, settings, _interim(settings.options))
            except EndpointError as error:  # the final pass says so, if it fails as well
                record.counts["failed_interims"] += 1
                log.info("interim pass failed", code=error.code)
                return
        async with self._lock:
            if session.open is None or session.open.number != turn.number:
                return
            self._agree(turn, agreement, shifted(transcript, start_ms), end)

    def _agree(self, turn: OpenTurn, agreement: Agreement, segments: Sequence[Sequence[Word]], end: int) -> None:
        """Send what was agreed on by this pass over the sound up to sample `end`."""
        new = agreement.feed(segments, samples_to_ms(end))
        self._send(self._protocol.interim(turn, new, agreement.unstable, agreement.until_ms))
        now, observe = samples_to_ms(self._protocol.session.end), self._means.record.observe
        for word in new:
            observe(Lag.WORD, (now - word.end_ms) / 1000)
        if new and len(agreement.agreed) == len(new):
            observe(Lag.FIRST, (now - samples_to_ms(turn.speech)) / 1000)


def _interim(options: Options) -> Options:
    """For text that will be replaced: greedy and without fallback, but with the times of words."""
    return replace(
        options, words=True, logprobs=False, interim=True,
        sampling=replace(options.sampling, temperature_increment=0.0, beam_size=1),
    )  # fmt: skip


def shifted(transcript: Transcript, start_ms: int) -> list[list[Word]]:
    """The words of each segment, on the clock of the stream."""
    return [
        [
            replace(word, start_ms=start_ms + word.start_ms, end_ms=start_ms + word.end_ms)
            for word in segment.words or ()
        ]
        for segment in transcript.segments
    ]


def as_wave(samples: Samples) -> bytes:
    """A wave file of int16 [n], 16 kHz, mono: what a client would send to the API of files."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(samples.itemsize)
        written.setframerate(SAMPLE_RATE)
        written.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
