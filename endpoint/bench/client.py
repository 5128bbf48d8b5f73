"""One request to a server of OpenAI's audio API, and its outcome."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2

from endpoint.bench.request import Request
from endpoint.errors import InvalidRequest, Unavailable

_WORDS = {
    httpx2.ConnectTimeout: "no connection",
    httpx2.ConnectError: "no connection",
    httpx2.PoolTimeout: "no connection",
    httpx2.TimeoutException: "timeout",
    httpx2.TransportError: "connection lost",
}


class Failed(Exception):
    """A failed request. Its text is the kind of failure, by which failures are counted."""


@dataclass(frozen=True)
class Outcome:
    """What came of a request. Times are seconds of time.perf_counter(). failure: its kind, "" for none.

    intended: when it was due, from which latency counts. sent: when it was sent. first: when the first text arrived,
    None unless streamed. done: when the response was complete.
    """

    request: Request
    intended: float
    sent: float
    done: float
    first: float | None = None
    text: str = ""
    failure: str = ""

    @property
    def latency(self) -> float:
        return self.done - self.intended


class Client:
    """Sends requests to the server at `base`, without a limit of its own; `async with` closes it."""

    def __init__(self, base: str, *, api_key: str, timeout: float, stream: bool) -> None:
        self._url, self._base, self._stream = f"{base}/audio/transcriptions", base, stream
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(timeout, connect=30),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            headers={"Authorization": f"Bearer {api_key}"},
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def model(self) -> str:
        """The first model that the server lists; "whisper-1" where it lists none. Raises Unavailable."""
        try:
            response = await self._client.get(f"{self._base}/models")
            return str(response.json()["data"][0]["id"])
        except httpx2.TransportError as error:
            raise Unavailable(
                f"{self._base} does not respond ({type(error).__name__}); is the server running?"
            ) from error
        except (ValueError, LookupError, TypeError):
            return "whisper-1"

    async def check(self, request: Request) -> None:
        """Raises InvalidRequest with the server's message where it refuses this request; Unavailable."""
        try:
            response = await self._client.post(self._url, content=request.body, headers=_headers(request))
        except httpx2.TransportError as error:
            raise Unavailable(
                f"{self._url} does not respond ({type(error).__name__}); is the server running?"
            ) from error
        if response.status_code != httpx2.codes.OK:
            raise InvalidRequest(f"{self._url} responded {response.status_code}: {response.text[:300]}")

    async def ask(self, request: Request, intended: float | None = None) -> Outcome:
        """Send a request. Failures of the server are in the outcome, and not raised."""
        sent = time.perf_counter()
        intended = sent if intended is None else intended
        first, text, failure = None, "", ""
        try:
            if self._stream:
                async for piece in self._deltas(request):
                    first = time.perf_counter() if first is None else first
                    text += piece
            else:
                text = await self._whole(request)
        except Failed as error:
            failure = str(error)
        except httpx2.TransportError as error:
            failure = next(words for kind, words in _WORDS.items() if isinstance(error, kind))
        return Outcome(request, intended, sent, time.perf_counter(), first, text, failure)

    async def _whole(self, request: Request) -> str:
        response = await self._client.post(self._url, content=request.body, headers=_headers(request))
        if response.status_code != httpx2.codes.OK:
            raise Failed(f"status {response.status_code}")
        try:
            return str(response.json()["text"])
        except (ValueError, LookupError, TypeError) as error:
            raise Failed("no JSON with a text") from error

    async def _deltas(self, request: Request) -> AsyncIterator[str]:
        """Pieces of text as they arrive. Raises Failed, also where the stream ends without its last event."""
        async with self._client.stream("POST", self._url, content=request.body, headers=_headers(request)) as response:
            if response.status_code != httpx2.codes.OK:
                await response.aread()
                raise Failed(f"status {response.status_code}")
            ended = False
            async for line in response.aiter_lines():
                piece, over = read_event(line)
                ended = ended or over
                if piece:
                    yield piece
        if not ended:
            raise Failed("stream cut short")


def _headers(request: Request) -> dict[str, str]:
    return {"Content-Type": request.content_type}


def read_event(line: str) -> tuple[str, bool]:
    """(text that a line of a stream adds, whether it is the end). Raises Failed for an error.

    Reads OpenAI's events, and the chunks of vLLM's own server, which end with [DONE].
    """
    if not line.startswith("data:"):
        return "", False
    data = line.removeprefix("data:").strip()
    if data == "[DONE]":
        return "", True
    try:
        event = json.loads(data)
        if event.get("error"):
            raise Failed("error in the stream")
        if "choices" in event:
            return "".join(choice["delta"].get("content") or "" for choice in event["choices"]), False
        kind = event.get("type")
        return (event["delta"] if kind == "transcript.text.delta" else ""), kind == "transcript.text.done"
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise Failed("an event that is none") from error
