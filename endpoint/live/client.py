"""A client of OpenAI's Realtime protocol, for commands and benchmarks: sound in, events with their times out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from endpoint.errors import EndpointError
from endpoint.live.convert import OPENAI_RATE, to_openai
from endpoint.types import Samples

FRAME_SECONDS = 0.1  # of sound in a message
SILENCE_SECONDS = 1.0  # at the end, so that the last turn ends
BEGIN = "begin"  # the id of the first event that is sent
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(frozen=True)
class LiveEvent:
    """seconds: since the first sound was sent. body: the event as it came."""

    seconds: float
    body: dict[str, Any]

    @property
    def type(self) -> str:
        """Without what all events of transcription begin with."""
        kind: str = self.body["type"]
        return kind.removeprefix(f"{_TRANSCRIPTION}.").removeprefix("input_audio_buffer.")


async def paced(samples: Samples, real_time: bool = True) -> AsyncIterator[bytes]:
    """int16 [n], 16 kHz, as a microphone would give them: frames of 24 kHz, each when its sound is over."""
    data, began = to_openai(samples) + bytes(round(SILENCE_SECONDS * OPENAI_RATE) * 2), time.monotonic()
    step = round(FRAME_SECONDS * OPENAI_RATE) * 2
    for number, at in enumerate(range(0, len(data), step), 1):
        if real_time:
            await asyncio.sleep(max(0.0, began + number * FRAME_SECONDS - time.monotonic()))
        yield data[at : at + step]


async def converse(
    url: str, sound: AsyncIterator[bytes], session: dict[str, Any], api_key: str = "none"
) -> AsyncIterator[LiveEvent]:
    """Events of one session, up to the text of the last turn.

    url: base URL, as OpenAI's clients have it. sound: PCM of 24 kHz. session: as in `session.update`. Raises
    EndpointError when the server refuses, or closes before the end.
    """
    address = f"{url.replace('http', 'ws', 1)}/realtime?intent=transcription"
    headers = {"Authorization": f"Bearer {api_key}"}
    try:
        async with connect(address, additional_headers=headers, max_size=None, compression=None) as socket:
            await socket.send(json.dumps({"type": "session.update", "event_id": BEGIN, "session": session}))
            began = time.monotonic()
            sending = asyncio.create_task(_send(socket, sound))
            try:
                async for event in _events(socket, began):
                    yield event
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                    await sending
    except InvalidStatus as error:
        raise EndpointError(f"the server refused: {_reason(error, address)}") from error
    except (ConnectionClosed, OSError) as error:
        raise EndpointError(f"the connection to {address} ended: {error}") from error


async def _send(socket: ClientConnection, sound: AsyncIterator[bytes]) -> None:
    async for data in sound:
        audio = base64.b64encode(data).decode()
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    # Its response comes after everything that the sound gave rise to, but for texts.
    await socket.send(json.dumps({"type": "session.update", "session": {"type": "transcription"}}))


async def _events(socket: ClientConnection, began: float) -> AsyncIterator[LiveEvent]:
    waiting, updates = set[str](), 0
    async for message in socket:
        event = LiveEvent(time.monotonic() - began, json.loads(message))
        yield event
        if event.type == "error" and event.body["error"]["event_id"] == BEGIN:
            raise EndpointError(f"the server refused the session: {event.body['error']['message']}")
        if event.type == "session.updated":
            updates += 1
        elif event.type == "speech_started":
            waiting.add(event.body["item_id"])
        elif event.type in ("completed", "failed"):
            waiting.discard(event.body["item_id"])
        if updates == 2 and not waiting:  # the first is that of the beginning
            return


def _reason(error: InvalidStatus, address: str) -> str:
    body = error.response.body or b""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {error.response.status_code} at {address}; base URLs end in /v1"
