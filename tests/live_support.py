"""Sound for live sessions, a voice that follows a script, and checks of events against OpenAI's types."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from endpoint.live.session import Session, TurnDetection
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Samples

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
LOUD = 1_000  # level of speech in made sound


class ScriptedVoice:
    """Speech where the sound is not silent; whole frames only, as Session feeds them."""

    def feed(self, samples: Samples) -> np.ndarray:
        assert len(samples) == SPEECH_FRAME
        return np.array([1.0 if np.abs(samples).mean() > LOUD / 2 else 0.0], np.float32)


def session(detection: TurnDetection | None = TurnDetection()) -> Session:  # noqa: B008 - it is frozen
    return Session(ScriptedVoice(), detection)


def sound(*parts: float) -> Samples:
    """Seconds of silence and speech in turn, beginning with silence; int16 at 16 kHz."""
    made = [np.full(round(part * SAMPLE_RATE), LOUD * (k % 2), np.int16) for k, part in enumerate(parts)]
    return np.concatenate(made)


def at_24_khz(samples: Samples) -> bytes:
    """Bytes of PCM as OpenAI's protocol has it; good enough for made sound."""
    return np.repeat(samples, 3)[::2].astype("<i2").tobytes()


def append(data: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()})


def checked(event: dict[str, Any]) -> dict[str, Any]:
    """The event, valid for the openai package."""
    SERVER_EVENT.validate_python(event, strict=True)
    assert event["event_id"]
    return event


def kinds(events: Iterable[dict[str, Any]]) -> list[str]:
    short = ("input_audio_buffer.", "conversation.", "input_audio_transcription.")
    names = []
    for event in events:
        name = event["type"]
        for prefix in short:
            name = name.replace(prefix, "")
        names.append(name)
    return names


def split(data: Sequence[Any], cuts: Iterable[int]) -> list[Any]:
    """`data` in parts, cut at these positions modulo its length."""
    at = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(at)]
