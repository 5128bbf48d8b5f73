"""One session: interim passes while one speaks, final ones at the end, each by the ordinary core."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from endpoint.call import Call
from endpoint.core.transcriber import Progress
from endpoint.errors import EngineFailed, QuotaExceeded
from endpoint.live.agreement import Stability
from endpoint.live.pace import Pace
from endpoint.live.plain import Plain
from endpoint.live.protocol import TurnSettings
from endpoint.live.record import Lag, LiveRecord
from endpoint.live.runner import Means, Runner, as_wave, shifted
from endpoint.options import Options
from endpoint.tasks import produced
from endpoint.types import SAMPLE_RATE, Transcript, Word
from tests.api_support import TRANSCRIPT, StandIn, content
from tests.live_support import session, sound

EACH_MS = 400  # a word


class Counting(StandIn):
    """Recognizes a word for each EACH_MS of sound, numbered in it; a pass waits for `gate`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.lengths: list[int] = []  # of each pass, in ms
        self.begun = asyncio.Queue[Options]()

    def segments(self, data, options, call):
        return produced(lambda emit: self._count(data, options, emit))

    async def _count(self, data, options, emit) -> None:
        with wave.open(io.BytesIO(content(data))) as file:
            length = file.getnframes() * 1000 // SAMPLE_RATE
        self.lengths.append(length)
        self.begun.put_nowait(options)
        self.running += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if self.failure is not None:
            raise self.failure
        words = tuple(Word(f" w{k}", k * EACH_MS, (k + 1) * EACH_MS) for k in range(length // EACH_MS))
        segment = replace(TRANSCRIPT.segments[0], text="".join(word.text for word in words), words=words)
        emit(Progress(1, 1, (segment,)))
        emit(replace(TRANSCRIPT, segments=(segment,), words=words, duration_ms=length))


@contextmanager
def passing(model: str) -> Iterator[Call]:
    yield Call()


class Charged:
    """What a session was charged. refuse: the next turn."""

    def __init__(self) -> None:
        self.taken, self.made_ms, self.refuse = list[int](), list[int](), False

    async def take(self, audio_ms: int) -> None:
        if self.refuse:
            raise QuotaExceeded("the month is over")
        self.taken.append(audio_ms)

    def made(self, transcript: Transcript, audio_ms: int) -> None:
        self.made_ms.append(audio_ms)


class Setting:
    """A runner of the plain protocol on a core that counts."""

    def __init__(self, pace: int = 4, stability: Stability = Stability(2)) -> None:  # noqa: B008 - it is frozen
        self.core, self.record, self.sent, self.charged = Counting(), LiveRecord(), [], Charged()
        self.threads = ThreadPoolExecutor(1)
        core, charged = self.core, self.charged
        means = Means(lambda _: core, passing, charged, charged.made, self.threads, Pace(pace), self.record)
        self.protocol = Plain(session(), TurnSettings("served", Options(), stability))
        self.runner = Runner(self.protocol, means, self.sent.extend)
        self.task = asyncio.create_task(self.runner.run())

    async def speak(self, *parts: float, each: float = 0.1) -> None:
        """In messages of `each` seconds; passes that can be made are made in between."""
        samples = sound(*parts)
        step = round(each * SAMPLE_RATE)
        for at in range(0, len(samples), step):
            await self.runner.receive(samples[at : at + step].tobytes())
            await self.settle()

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    async def end(self) -> None:
        await self.runner.finish()
        await self.task

    def texts(self, kind: str) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == kind]


@pytest.fixture
async def made():
    setting = Setting()
    yield setting
    setting.core.gate.set()
    setting.task.cancel()
    await asyncio.gather(setting.task, return_exceptions=True)
    setting.threads.shutdown()


async def test_text_grows_and_is_final_at_the_end(made):
    await made.speak(0, 4, 1)
    await made.end()
    partial, (final,) = made.texts("partial"), made.texts("final")
    assert len(partial) > 3
    assert all(b.startswith(a) for a, b in zip(partial, partial[1:], strict=False))  # noqa: RUF007
    assert final.startswith(partial[-1])
    assert made.record.counts["turns"] == 1
    assert made.record.counts["interims"] >= 6  # every half second
    assert made.record.lags[Lag.WORD]
    assert len(made.record.lags[Lag.FINAL]) == len(made.record.lags[Lag.FIRST]) == 1


async def test_the_final_text_is_begun_before_the_silence_is_long_enough(made):
    await made.speak(0, 2, 0.4)
    assert made.texts("final") == []
    count = len(made.core.lengths)
    assert made.core.lengths[-1] > 2_000  # the turn with the pause that it will have
    await made.speak(0.3)
    assert len(made.texts("final")) == 1
    assert len(made.core.lengths) == count  # not transcribed again


async def test_speech_that_goes_on_makes_that_an_interim_pass(made):
    await made.speak(0, 2, 0.4, 1, 1)
    assert len(made.texts("final")) == 1
    assert made.core.lengths[-1] > 3_400


async def test_one_pass_at_a_time(made):
    made.core.gate.clear()
    await made.speak(0, 3)
    assert len(made.core.lengths) == 1
    made.core.gate.set()
    await made.settle()
    await made.speak(0, 0.1)
    assert len(made.core.lengths) == 2
    assert made.core.lengths[1] >= 3_000  # of all that came meanwhile


async def test_interim_passes_wait_while_others_work():
    setting = Setting(pace=1)
    with setting.runner._means.pace.final():
        await setting.speak(0, 2)
        assert setting.core.lengths == []
        await setting.speak(1)  # finals do not
        assert len(setting.texts("final")) == 1
    await setting.end()
    setting.threads.shutdown()


async def test_windows_stay_short_in_a_long_turn(made):
    await made.speak(0, 60)
    assert max(made.core.lengths) < 27_000
    await made.end()
    assert made.core.lengths[-1] > 59_000  # only the last pass is over all of it


async def test_a_failed_interim_pass_is_not_the_end(made):
    made.core.failure = EngineFailed("gone")
    await made.speak(0, 1)
    made.core.failure = None
    await made.speak(0, 1, 1)
    await made.end()
    assert made.record.counts["failed_interims"] >= 1
    assert len(made.texts("final")) == 1


async def test_a_failed_final_pass_is_an_error_of_its_turn(made):
    await made.speak(0, 1)
    made.core.failure = EngineFailed("gone")
    await made.speak(1)
    made.core.failure = None
    await made.speak(0, 1, 1)
    await made.end()
    errors = [message for message in made.sent if message["type"] == "error"]
    assert [error["error"]["code"] for error in errors] == ["engine_failed"]
    assert len(made.texts("final")) == 1
    assert made.record.counts["failed"] == 1


async def test_turns_are_charged_once_and_refused_over_the_limit(made):
    await made.speak(0, 2, 0.4, 1, 1)  # transcribed ahead in its pause as well
    (final,) = [message for message in made.sent if message["type"] == "final"]
    assert made.charged.taken == made.charged.made_ms == [round((final["end"] - final["start"]) * 1000)]
    made.charged.refuse = True
    await made.speak(0, 1, 1)
    assert made.sent[-1]["error"]["code"] == "insufficient_quota"
    assert len(made.charged.made_ms) == 1
    assert made.core.running == 0


async def test_finals_come_in_the_order_of_their_turns(made):
    await made.speak(0, 1)
    made.core.gate.clear()
    await made.speak(0.8, 1, 0.8, 1, 0.8)
    made.core.gate.set()
    await made.end()
    assert [message["turn"] for message in made.sent if message["type"] == "final"] == [0, 1, 2]


async def test_who_leaves_costs_nothing(made):
    made.core.gate.clear()
    await made.speak(0, 1, 0.8, 1)
    assert made.core.running > 0
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)
    assert made.core.running == 0


async def test_the_end_waits_for_the_open_turn(made):
    await made.speak(0, 1)
    made.core.gate.clear()
    ending = asyncio.create_task(made.end())
    await made.settle()
    made.core.gate.set()
    await ending
    assert len(made.texts("final")) == 1


async def test_a_client_that_cannot_be_sent_to_ends_the_session():
    setting = Setting()

    def refuse(_):
        raise ConnectionError

    setting.runner._send = refuse
    for _ in range(20):
        await setting.runner.receive(sound(0, 0.1).tobytes())
        await setting.settle()
    with pytest.raises(ConnectionError):
        await setting.task
    setting.threads.shutdown()


async def test_silence_costs_no_pass(made):
    await made.speak(10)
    await made.end()
    assert made.core.lengths == []
    assert made.sent == []


def test_a_turn_is_a_wave_file():
    samples = np.arange(-500, 500, dtype=np.int16)
    with wave.open(io.BytesIO(as_wave(samples))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        assert np.array_equal(np.frombuffer(file.readframes(2_000), np.int16), samples)


def test_words_are_put_on_the_clock_of_the_stream():
    words = (Word(" a", 0, 100),)
    transcript = replace(TRANSCRIPT, segments=(replace(TRANSCRIPT.segments[0], words=words), TRANSCRIPT.segments[1]))
    assert shifted(transcript, 1_000) == [[Word(" a", 1_000, 1_100)], []]
