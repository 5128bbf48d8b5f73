"""The plain protocol of `/ws/transcribe`: sound in binary messages, JSON out. No I/O.

In: 16 bit little-endian PCM, mono, 16 kHz; the end is an empty message or {"type": "end"}. Out: `partial` while one
speaks, `final` for each turn, `error`. Times are seconds from the beginning of the stream.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from endpoint.errors import EndpointError, InvalidRequest, RequestError
from endpoint.live.convert import Encoding, SoundConverter
from endpoint.live.protocol import Message, Output, TurnSettings, Work
from endpoint.live.session import Event, OpenTurn, Session, SpeechPaused, Turn, TurnEnded
from endpoint.types import SAMPLE_RATE, Segment, Transcript, Word

END = "end"


class Plain:
    """One session, a LiveProtocol."""

    def __init__(self, session: Session, settings: TurnSettings) -> None:
        self.session, self._settings = session, settings
        self._sound = SoundConverter(Encoding.PCM, SAMPLE_RATE)
        self._text = dict[int, str]()  # agreed on, of turns that are not completed
        self.done = False

    @property
    def settings(self) -> TurnSettings:
        return self._settings

    def receive(self, message: str | bytes) -> list[Output]:
        if isinstance(message, bytes) and message:
            return self._outputs(self.session.feed(self._sound.feed(message)))
        try:
            self._check_end(message)
        except EndpointError as error:
            return [*self.problem(error)]
        self.done = True
        return []

    def _check_end(self, message: str | bytes) -> None:
        try:
            kind = json.loads(message)["type"] if message else END
        except (ValueError, TypeError, KeyError, RecursionError):
            kind = None
        if kind != END:
            raise InvalidRequest('Send sound in binary messages, and {"type": "end"} or an empty message at its end.')

    def finish(self) -> list[Output]:
        return self._outputs(self.session.flush())

    def _outputs(self, events: Sequence[Event]) -> list[Output]:
        outputs = list[Output]()
        for event in events:
            match event:
                case SpeechPaused(turn):
                    outputs.append(Work(turn, self._settings, final=False))
                case TurnEnded(turn):
                    outputs.append(Work(turn, self._settings, final=True))
        return outputs

    def interim(self, turn: OpenTurn, new: Sequence[Word], unstable: Sequence[Word], until_ms: int) -> list[Message]:
        text = self._text.get(turn.number, "") + "".join(word.text for word in new)
        self._text[turn.number] = text
        rest = "".join(word.text for word in unstable)
        if not (text + rest).strip():
            return []
        times = {"start": turn.start / SAMPLE_RATE, "stable_until": until_ms / 1000}
        return [{"type": "partial", "turn": turn.number, "text": text.lstrip(), "unstable": rest, **times}]

    def settled(self, turn: Turn, segments: Sequence[Segment]) -> list[Message]:
        return []  # they are in `final`

    def completed(self, turn: Turn, transcript: Transcript, agreed: Sequence[Word]) -> list[Message]:
        self._text.pop(turn.number, None)
        start = turn.start / SAMPLE_RATE
        body: dict[str, Any] = {
            "type": "final",
            "turn": turn.number,
            "text": transcript.text,
            "start": start,
            "end": turn.end / SAMPLE_RATE,
            "language": transcript.language,
            "language_probability": transcript.language_probability,
            "segments": [
                {"start": start + part.start_ms / 1000, "end": start + part.end_ms / 1000, "text": part.text.strip()}
                for part in transcript.segments
            ],
        }
        if self._settings.options.words:
            body["words"] = [
                {"word": word.text.strip(), "start": start + word.start_ms / 1000, "end": start + word.end_ms / 1000,
                 "probability": word.probability}
                for word in transcript.words or ()
            ]  # fmt: skip
        return [body]

    def failed(self, turn: Turn, error: EndpointError) -> list[Message]:
        self._text.pop(turn.number, None)
        return [{**_error(error), "turn": turn.number}]

    def problem(self, error: EndpointError) -> list[Message]:
        return [_error(error)]


def _error(error: EndpointError) -> Message:
    kind = "invalid_request_error" if isinstance(error, RequestError) else "server_error"
    about = {"message": error.message, "type": kind, "param": error.param, "code": error.code}
    return {"type": "error", "error": about}
