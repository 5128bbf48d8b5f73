"""Samples of one live stream -> turns of speech. Feed and flush; no I/O, no clock, no async.

The same samples give the same turns, however they were split: voice activity is judged in frames of SPEECH_FRAME
samples counted from the beginning of the stream, and everything follows from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from endpoint.audio.spans import HYSTERESIS, LOWEST, SHORTEST_FRAMES, SUFFIX_MS
from endpoint.live.buffer import SampleBuffer
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Samples

LONGEST_TURN = 15 * 60 * SAMPLE_RATE  # samples; a longer turn is ended, and the next one begins where it ends
AHEAD_MS = (
    300  # of silence, after which a turn is transcribed although more speech may follow; commas have shorter ones
)
KEPT = 30 * SAMPLE_RATE  # samples of silence kept between turns, for a commit


class Voice(Protocol):
    """Voice activity of one stream, as endpoint/audio/vad.py has it."""

    def feed(self, samples: Samples, /) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class TurnDetection:
    """When a turn begins and ends: OpenAI's server_vad.

    threshold: probability, 0 to 1, from which a frame is speech. prefix_padding_ms: sound kept before speech.
    silence_duration_ms: so much silence ends the turn.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500

    @property
    def pause(self) -> int:
        """Samples of silence that a turn has at its end: the rest is waited for, but not transcribed."""
        return _samples(min(SUFFIX_MS, self.silence_duration_ms))


BY_COMMIT = TurnDetection()  # what counts as speech where turns end by commit only


@dataclass(frozen=True)
class Turn:
    """The sound of turn `number`, from sample `start` of the stream up to `end`. samples: int16 [end - start]."""

    number: int
    start: int
    end: int
    samples: Samples


@dataclass(frozen=True)
class SpeechStarted:
    """Turn `number` begins at sample `start`, the padding included."""

    number: int
    start: int


@dataclass(frozen=True)
class SpeechPaused:
    """If there is no more speech for a while, this is the turn."""

    turn: Turn


@dataclass(frozen=True)
class SpeechResumed:
    """The pause was none: turn `number` goes on."""

    number: int


@dataclass(frozen=True)
class SpeechStopped:
    """Turn `number` ends at sample `end`."""

    number: int
    end: int


@dataclass(frozen=True)
class TurnEnded:
    """The turn is whole: by detection, commit or length."""

    turn: Turn


Event = SpeechStarted | SpeechPaused | SpeechResumed | SpeechStopped | TurnEnded


@dataclass
class OpenTurn:
    """The turn that goes on. start: its first sample. speech: the sample from which there is speech to transcribe.

    paused: the end of its speech was seen, but not yet enough silence.
    """

    number: int
    start: int
    speech: int
    paused: bool = False


class Session:
    """One stream. detection: None ends turns by `commit` only."""

    def __init__(self, voice: Voice, detection: TurnDetection | None = BY_COMMIT) -> None:
        self._voice, self._detection = voice, detection
        self._buffer = SampleBuffer()
        self._judged = 0  # samples
        self._speaking, self._run = False, 0  # whether the last frame was speech, and how many before it without a gap
        self._last = 0  # the sample where speech ended
        self._earliest = 0  # the next turn begins here or later
        self.number = 0  # of the open turn, or the next one
        self.open: OpenTurn | None = None

    @property
    def end(self) -> int:
        """Samples fed so far."""
        return self._buffer.end

    @property
    def uncommitted(self) -> int:
        """Samples that a commit would take."""
        return self._buffer.end - max(self._buffer.start, self.open.start if self.open else self._earliest)

    def configure(self, detection: TurnDetection | None) -> None:
        """From the next sample on."""
        self._detection = detection

    def cut(self, start: int, end: int) -> Samples:
        """Samples of the open turn: int16 [n], a copy."""
        return self._buffer.cut(start, end)

    def feed(self, samples: Samples) -> list[Event]:
        """What happens in these samples: int16 [n], n >= 0, 16 kHz, mono, following those fed before."""
        self._buffer.append(samples)
        events = list[Event]()
        while self._judged + SPEECH_FRAME <= self._buffer.end:
            events += self._judge(self._buffer.cut(self._judged, self._judged + SPEECH_FRAME))
        self._forget()
        return events

    def commit(self) -> list[Event]:
        """End the turn here: all that is uncommitted. Nothing where there is nothing."""
        if not self.uncommitted:
            return []
        start = self.open.start if self.open else self._earliest
        return [self._end(max(start, self._buffer.start), self._buffer.end)]

    def clear(self) -> None:
        """Forget what is uncommitted. Speech that goes on begins a new turn."""
        self.open, self._earliest = None, self._buffer.end
        self._speaking, self._run = False, 0
        self.number += 1
        self._forget()

    def flush(self) -> list[Event]:
        """The end of the stream: an open turn ends."""
        events = list[Event]()
        if missing := -(self._buffer.end - self._judged) % SPEECH_FRAME:
            rest = self._buffer.cut(self._judged, self._buffer.end)
            events += self._judge(np.concatenate([rest, np.zeros(missing, np.int16)]))
        if self.open is None:
            return events
        if self._detection is None:
            return [*events, *self.commit()]
        end = min(self._last + self._detection.pause, self._buffer.end)
        return [*events, SpeechStopped(self.number, end), self._end(self.open.start, end)]

    def _judge(self, frame: Samples) -> list[Event]:
        probability = float(self._voice.feed(frame)[0])
        self._judged += SPEECH_FRAME
        known = self._detection or BY_COMMIT
        if probability >= known.threshold:
            self._speaking = True
        elif probability < max(known.threshold - HYSTERESIS, LOWEST):
            self._speaking = False
        self._run = self._run + 1 if self._speaking else 0
        if self._speaking:
            self._last = self._judged
        began = list[Event]()
        if self.open is None and self._run >= SHORTEST_FRAMES:
            began = self._begin(known)
        return [*began, *self._go_on(known)]

    def _begin(self, known: TurnDetection) -> list[Event]:
        speech = self._judged - self._run * SPEECH_FRAME - _samples(known.prefix_padding_ms)
        speech = max(speech, self._earliest, self._buffer.start)
        start = speech if self._detection else max(self._earliest, self._buffer.start)
        self.open = OpenTurn(self.number, start, speech)
        return [SpeechStarted(self.number, start)] if self._detection else []

    def _go_on(self, known: TurnDetection) -> list[Event]:
        end = min(self._judged, self._buffer.end)
        if self._detection is None or self.open is None:
            start = self.open.start if self.open else self._earliest
            too_long = self._detection is None and end - start >= LONGEST_TURN
            return [self._end(max(start, self._buffer.start), end)] if too_long else []
        turn, silence = self.open, self._judged - self._last
        if silence >= _samples(known.silence_duration_ms) or end - turn.start >= LONGEST_TURN:
            end = min(self._last + known.pause, end)
            return [SpeechStopped(turn.number, end), self._end(turn.start, end)]
        if not silence and turn.paused:
            turn.paused = False
            return [SpeechResumed(turn.number)]
        if silence >= _samples(AHEAD_MS) and not turn.paused:
            turn.paused = True
            end = min(self._last + known.pause, end)
            return [SpeechPaused(Turn(turn.number, turn.start, end, self.cut(turn.start, end)))]
        return []

    def _end(self, start: int, end: int) -> TurnEnded:
        turn = Turn(self.number, start, end, self.cut(start, end))
        self.open, self._earliest = None, end
        self._run = 0
        self.number += 1
        return TurnEnded(turn)

    def _forget(self) -> None:
        if self.open is not None:
            keep = self.open.start
        elif self._detection is None:
            keep = self._earliest
        else:
            keep = max(self._earliest, self._buffer.end - KEPT)
        self._buffer.forget(min(keep, self._judged))


def _samples(milliseconds: int) -> int:
    return milliseconds * SAMPLE_RATE // 1000
