"""OpenAI's Realtime protocol (general availability) for transcription: client events in, server events out. No I/O.

https://developers.openai.com/api/docs/guides/realtime-transcription. Fields that it does not have: `stable_until` of a
delta, `words`, `unstable`, `language_probability`, `audio_start_ms` and `audio_end_ms` of a transcript, `warnings`.
Times count in milliseconds from the first sample of the session, those of segments and words in seconds.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from endpoint.errors import EndpointError, InvalidRequest, RequestError
from endpoint.live.agreement import DEFAULT_DELAY, DELAYS
from endpoint.live.config import UNSTABLE, WORDS, LiveConfig
from endpoint.live.convert import SoundConverter
from endpoint.live.protocol import Message, Output, TurnSettings, Work
from endpoint.live.session import Event, OpenTurn, Session, SpeechPaused, SpeechStarted, SpeechStopped, Turn, TurnEnded
from endpoint.live.text import tail
from endpoint.options import VadOptions
from endpoint.text.format import spoken_languages, token_scores
from endpoint.types import SAMPLE_RATE, Segment, Transcript, Word, samples_to_ms

LEAST = SAMPLE_RATE // 10  # samples of a commit: OpenAI refuses less
_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_OTHERS = (  # client events of conversations
    "conversation.item.create", "conversation.item.delete", "conversation.item.retrieve", "conversation.item.truncate",
    "output_audio_buffer.clear", "response.create", "response.cancel",
)  # fmt: skip


@dataclass(frozen=True)
class Surroundings:
    """What the protocol is given. find_model: a name to the served model, raises ModelNotFound. new_id: with a prefix,
    unique. expires_at: Unix seconds. vad: the server's voice activity detection.
    """

    find_model: Callable[[str], str]
    new_id: Callable[[str], str]
    expires_at: int
    vad: VadOptions | None


class Realtime:
    """One session, a LiveProtocol."""

    def __init__(
        self, session: Session, surroundings: Surroundings, model: str = "", given: Message | None = None
    ) -> None:
        """model: as the address has it. given: a session object. Raises ModelNotFound, InvalidRequest."""
        self.session, self._given = session, surroundings
        self._model = surroundings.find_model(model)
        config = LiveConfig().updated({"audio": {"input": {"transcription": {"model": model or self._model}}}})
        self._config = config.updated(given or {})
        if self._config.audio.input.transcription:
            self._model = surroundings.find_model(self._config.audio.input.transcription.model or "")
        session.configure(self._config.detection)
        self._sound = SoundConverter(self._config.encoding)
        self._id = surroundings.new_id("sess")
        self._items = dict[int, str]()  # of turns that are not completed
        self._sent = dict[int, str]()  # the text in their deltas
        self._last_item: str | None = None
        self._received: dict[str, Callable[[Message], list[Output]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
        }

    @property
    def done(self) -> bool:
        return False  # clients of this protocol just close

    @property
    def settings(self) -> TurnSettings | None:
        if self._config.audio.input.transcription is None:
            return None
        options = self._config.options(self._given.vad)
        return TurnSettings(self._model, options, DELAYS[self._config.delay or DEFAULT_DELAY])

    def opening(self) -> Message:
        """The first event."""
        return self._event("session.created", session=self._shown())

    def receive(self, message: str | bytes) -> list[Output]:
        event_id = None
        try:
            event = _parsed(message)
            event_id = event.get("event_id") if isinstance(event.get("event_id"), str) else None
            if event["type"] not in self._received:
                raise _unknown(event["type"])
            return self._received[event["type"]](event)
        except EndpointError as error:
            return [self._error(error, event_id)]

    def finish(self) -> list[Output]:
        events = self.session.feed(self._sound.flush()) + self.session.flush()
        return self._outputs(events)

    def _update(self, event: Message) -> list[Output]:
        config = self._config.updated(event.get("session"))
        asked = config.audio.input.transcription
        self._model = self._given.find_model(asked.model if asked and asked.model else "")
        outputs = list[Output]()
        if config.encoding is not self._config.encoding:
            outputs += self._outputs(self.session.feed(self._sound.flush()))
            self._sound = SoundConverter(config.encoding)
        self._config = config
        self.session.configure(config.detection)
        return [*outputs, self._event("session.updated", session=self._shown(), **self._warnings())]

    def _warnings(self) -> dict[str, Any]:
        if self._config.audio.input.noise_reduction is None:
            return {}
        about = "noise_reduction has no effect: Whisper is given the sound as it is"
        param = "session.audio.input.noise_reduction"
        return {"warnings": [{"code": "field_ignored", "message": about, "param": param}]}

    def _append(self, event: Message) -> list[Output]:
        try:
            data = base64.b64decode(event.get("audio", ""), validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise InvalidRequest("audio: must be base64", param="audio") from error
        return self._outputs(self.session.feed(self._sound.feed(data)))

    def _commit(self, event: Message) -> list[Output]:
        events = self.session.feed(self._sound.flush())
        if self.session.uncommitted < LEAST:
            milliseconds = self.session.uncommitted * 1000 / SAMPLE_RATE
            error = InvalidRequest(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
                f"only has {milliseconds:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
            return [*self._outputs(events), self._error(error, event.get("event_id"))]
        return self._outputs(events + self.session.commit())

    def _clear(self, _: Message) -> list[Output]:
        outputs = self._outputs(self.session.feed(self._sound.flush()))
        self._items.pop(self.session.number, None)
        self._sent.pop(self.session.number, None)
        self.session.clear()
        return [*outputs, self._event("input_audio_buffer.cleared")]

    def _outputs(self, events: Sequence[Event]) -> list[Output]:
        outputs = list[Output]()
        for event in events:
            match event:
                case SpeechStarted(number, start):
                    times = {"audio_start_ms": samples_to_ms(start)}
                    outputs.append(
                        self._event("input_audio_buffer.speech_started", item_id=self._item(number), **times)
                    )
                case SpeechStopped(number, end):
                    times = {"audio_end_ms": samples_to_ms(end)}
                    outputs.append(
                        self._event("input_audio_buffer.speech_stopped", item_id=self._item(number), **times)
                    )
                case SpeechPaused(turn) if self.settings:
                    outputs.append(Work(turn, self.settings, final=False))
                case TurnEnded(turn):
                    outputs += self._committed(turn)
        return outputs

    def _committed(self, turn: Turn) -> list[Output]:
        item_id, before = self._item(turn.number), self._last_item
        self._last_item = item_id
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        outputs: list[Output] = [
            self._event("input_audio_buffer.committed", previous_item_id=before, item_id=item_id),
            self._event("conversation.item.added", previous_item_id=before, item=item),
            self._event("conversation.item.done", previous_item_id=before, item=item),
        ]
        if self.settings is None:
            self._items.pop(turn.number)
            return outputs
        return [*outputs, Work(turn, self.settings, final=True)]

    def interim(self, turn: OpenTurn, new: Sequence[Word], unstable: Sequence[Word], until_ms: int) -> list[Message]:
        more = dict[str, Any]()
        if UNSTABLE in (self._config.include or ()):
            more["unstable"] = "".join(word.text for word in unstable)
        if WORDS in (self._config.include or ()):
            more["words"] = [_word(word, 0) for word in new]
        text = "".join(word.text for word in new)
        if not text.strip() and not more.get("unstable"):
            return []
        return [self._delta(turn.number, text, until_ms, **more)]

    def settled(self, turn: Turn, segments: Sequence[Segment]) -> list[Message]:
        item_id, offset = self._item(turn.number), samples_to_ms(turn.start)
        return [
            self._event(
                f"{_TRANSCRIPTION}.segment", item_id=item_id, content_index=0, id=f"seg_{segment.id:03d}",
                text=segment.text, speaker="", start=(offset + segment.start_ms) / 1000,
                end=(offset + segment.end_ms) / 1000,
            )
            for segment in segments
        ]  # fmt: skip

    def completed(self, turn: Turn, transcript: Transcript, agreed: Sequence[Word]) -> list[Message]:
        item_id, start_ms, end_ms = self._item(turn.number), samples_to_ms(turn.start), samples_to_ms(turn.end)
        events = list[Message]()
        if rest := tail("".join(word.text for word in agreed), transcript.text):
            events.append(self._delta(turn.number, rest, end_ms))
        body: dict[str, Any] = {
            "item_id": item_id,
            "content_index": 0,
            "transcript": transcript.text,
            "usage": {"type": "duration", "seconds": (end_ms - start_ms) / 1000},
            "languages": spoken_languages(transcript) if transcript.text else [],
            "language_probability": transcript.language_probability,
            "audio_start_ms": start_ms,
            "audio_end_ms": end_ms,
        }
        include = self._config.include or ()
        if "item.input_audio_transcription.logprobs" in include:
            body["logprobs"] = token_scores(transcript.segments)
        if WORDS in include:
            body["words"] = [_word(word, start_ms) for word in transcript.words or ()]
        events.append(self._event(f"{_TRANSCRIPTION}.completed", **body))
        self._forget(turn)
        return events

    def failed(self, turn: Turn, error: EndpointError) -> list[Message]:
        item_id = self._item(turn.number)
        self._forget(turn)
        return [self._event(f"{_TRANSCRIPTION}.failed", item_id=item_id, content_index=0, error=_error_body(error))]

    def problem(self, error: EndpointError) -> list[Message]:
        return [self._error(error, None)]

    def _delta(self, number: int, text: str, until_ms: int, **more: Any) -> Message:
        sent = self._sent.get(number, "")
        text = text if sent else text.lstrip()
        self._sent[number] = sent + text
        return self._event(f"{_TRANSCRIPTION}.delta", item_id=self._item(number), content_index=0, delta=text,
                           stable_until=until_ms, **more)  # fmt: skip

    def _forget(self, turn: Turn) -> None:
        self._items.pop(turn.number, None)
        self._sent.pop(turn.number, None)

    def _item(self, number: int) -> str:
        if number not in self._items:
            self._items[number] = self._given.new_id("item")
        return self._items[number]

    def _error(self, error: EndpointError, event_id: str | None) -> Message:
        return self._event("error", error={**_error_body(error), "event_id": event_id})

    def _event(self, kind: str, **fields: Any) -> Message:
        return {"type": kind, "event_id": self._given.new_id("event"), **fields}

    def _shown(self) -> dict[str, Any]:
        own = {"id": self._id, "object": "realtime.transcription_session", "expires_at": self._given.expires_at}
        return {**self._config.as_json(), **own}


def _parsed(message: str | bytes) -> Message:
    if isinstance(message, bytes):
        raise InvalidRequest("Send events as JSON in text messages; sound goes into `input_audio_buffer.append`.")
    try:
        event = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The message is no JSON.", code="invalid_json") from error
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise InvalidRequest("An event is an object with a `type`.", param="type")
    return event


def _unknown(kind: str) -> InvalidRequest:
    if kind in _OTHERS:
        return InvalidRequest(f"{kind}: this server transcribes, it holds no conversations", param="type",
                              code="unsupported")  # fmt: skip
    if kind == "transcription_session.update":
        return InvalidRequest(f"{kind}: is of the beta protocol; send `session.update`", param="type",
                              code="beta_api_shape_disabled")  # fmt: skip
    return InvalidRequest(
        f"type: there is no client event `{kind[:64]}`; there are session.update, input_audio_buffer.append, "
        "input_audio_buffer.commit and input_audio_buffer.clear",
        param="type",
    )


def _error_body(error: EndpointError) -> dict[str, str | None]:
    kind = "invalid_request_error" if isinstance(error, RequestError) else "server_error"
    return {"type": kind, "code": error.code, "message": error.message, "param": error.param}


def _word(word: Word, offset_ms: int) -> dict[str, Any]:
    return {
        "word": word.text.strip(),
        "start": (offset_ms + word.start_ms) / 1000,
        "end": (offset_ms + word.end_ms) / 1000,
        "probability": word.probability,
    }
