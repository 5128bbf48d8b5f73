"""A websocket of a live session: reads, writes, limits, and its end with the right code (RFC 6455, section 7.4)."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from endpoint.access.charge import settled
from endpoint.admission import Urgency
from endpoint.api.state import ServerState, caller_of
from endpoint.call import Call
from endpoint.errors import DeadlineExceeded, EndpointError, InvalidAudio, TooLarge, Unavailable
from endpoint.live.intake import Intake
from endpoint.live.protocol import LiveProtocol, Message
from endpoint.live.runner import Means, Runner
from endpoint.live.session import Session
from endpoint.live.sessions import WORK_SECONDS
from endpoint.types import Transcript

log = structlog.get_logger(__name__)

MOST_MESSAGE = 16 << 20  # characters or bytes: OpenAI's clients may append 15 MiB at once
MOST_WAITING = 4 << 20  # characters of messages that a slow reader may leave unread
CLOSE_SECONDS = 10.0  # for the last messages to be read


class CloseCode(IntEnum):
    NORMAL = 1000
    UNSUPPORTED = 1003
    TOO_LARGE = 1009
    FAILED = 1011
    RESTART = 1012
    TRY_LATER = 1013


class SlowReader(Exception):
    """The client does not read what it is sent."""


@dataclass(frozen=True)
class End:
    """Why a session ends. error: sent before. finish: whether the open turn is transcribed first."""

    code: CloseCode
    error: EndpointError | None = None
    finish: bool = False


class Outbox:
    """Messages on their way to the client, as many as it may leave unread."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most, self._size = most, 0
        self._queue = asyncio.Queue[str | None]()

    def put(self, messages: Sequence[Message]) -> None:
        """Raises SlowReader."""
        for message in messages:
            text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            self._size += len(text)
            if self._size > self._most:
                raise SlowReader
            self._queue.put_nowait(text)

    def close(self) -> None:
        """Nothing follows."""
        self._queue.put_nowait(None)

    async def send_all(self, websocket: WebSocket) -> None:
        """Send until `close`."""
        while (text := await self._queue.get()) is not None:
            await websocket.send_text(text)
            self._size -= len(text)


@asynccontextmanager
async def admitted(server: ServerState, websocket: WebSocket, model: str) -> AsyncIterator[Means]:
    """A permit for a session, which is charged as one request and by the audio of its turns.

    model: as the client named it. Raises Overloaded, NotReady, EngineFailed, Unavailable, ModelNotFound,
    PermissionDenied, RateLimited, QuotaExceeded.
    """
    if server.live.ending.is_set():
        raise Unavailable("The server is shutting down. Connect again.")
    await server.check_any()
    caller, served = caller_of(websocket), model_finder(server, websocket)(model)
    number = 0
    session_id = f"live_{uuid.uuid4().hex}"

    @contextmanager
    def passing(name: str) -> Iterator[Call]:
        nonlocal number
        number += 1
        call = Call(
            f"{session_id}_{number}",
            caller,
            seconds=server.settings.request_timeout_seconds,
            urgency=Urgency.LIVE,
            traceparent=websocket.headers.get("traceparent", ""),
        )
        call.record.model = server.models.names.find(name)
        with server.observer.observing(call) as observed:
            yield observed

    def made(transcript: Transcript, audio_ms: int) -> None:
        charge.made(audio_ms, transcript.task.value)
        server.observer.metrics.transcribed(caller, transcript.language, audio_ms / 1000)

    charge = server.limiter.charge(caller, session_id)
    with server.admission.permit(Urgency.LIVE, seconds=WORK_SECONDS), server.live.opened():
        async with server.limiter.live(caller, served, session_id):
            await charge.begin(served)
            try:
                live, find = server.live, server.models.find
                yield Means(find, passing, charge, made, live.threads, live.pace(served), live.record)
            finally:
                await settled(charge.close())


def model_finder(server: ServerState, websocket: WebSocket) -> Callable[[str], str]:
    """The served model that a name means to this caller. Raises ModelNotFound, PermissionDenied."""

    def find(name: str) -> str:
        server.model(caller_of(websocket), name)
        return server.models.names.find(name)

    return find


class Socket:
    """One accepted session. containers: whether binary messages may be bytes of a container."""

    def __init__(
        self, server: ServerState, websocket: WebSocket, protocol: LiveProtocol, means: Means, containers: bool
    ) -> None:
        self._server, self._websocket = server, websocket
        self._outbox = Outbox()
        self._protocol = protocol
        self._runner = Runner(protocol, means, self._outbox.put)
        self._intake = Intake(self._runner.receive, server.settings) if containers else None
        self._ends_at = time.monotonic() + server.settings.live_session_seconds

    async def serve(self, opening: Sequence[Message] = ()) -> None:
        """Until the client goes, or the session ends."""
        self._outbox.put(opening)
        writing = asyncio.create_task(self._outbox.send_all(self._websocket))
        running = asyncio.create_task(self._runner.run())
        reading = asyncio.create_task(self._read())
        tasks = {writing, running, reading}
        if self._intake is not None:
            tasks.add(asyncio.create_task(self._intake.run()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            end = _end_of(tasks, reading)
            if end is None:
                return
            reading.cancel()
            if end.finish:
                end = await self._finish(running) or end
            await self._close(end, writing)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self, running: asyncio.Task[None]) -> End | None:
        """Transcribe what is left; the end that this comes to, if another."""
        try:
            if self._intake is not None:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._intake.end()
            await self._runner.finish()
            await running
        except (SlowReader, TimeoutError):
            return End(CloseCode.TRY_LATER)
        return None

    async def _close(self, end: End, writing: asyncio.Task[None]) -> None:
        """Send what is left and the code, as far as the client still reads."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if end.error is not None:
                    self._outbox.put(self._protocol.problem(end.error))
                self._outbox.close()
                if end.code is not CloseCode.TRY_LATER:
                    await writing
                writing.cancel()
                await self._websocket.close(end.code, end.error.code if end.error else "")
        except (TimeoutError, SlowReader, WebSocketDisconnect, RuntimeError) as error:
            log.info("live session closed without a code", reason=type(error).__name__)

    async def _read(self) -> End | None:
        """Take the client's messages; None when it has gone."""
        ending = asyncio.create_task(self._server.live.ending.wait())
        receiving: asyncio.Task[Any] | None = None
        try:
            while True:
                receiving = receiving or asyncio.create_task(self._websocket.receive())
                left = self._ends_at - time.monotonic()
                idle = self._server.settings.live_idle_seconds
                await asyncio.wait({receiving, ending}, timeout=max(0.0, min(idle, left)),
                                   return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
                if ending.done():
                    return End(CloseCode.RESTART, finish=True)
                if not receiving.done() or left <= 0:
                    return _expired(left <= idle)
                message, receiving = receiving.result(), None
                if message["type"] == "websocket.disconnect":
                    return None
                if end := await self._received(message):
                    return end
        finally:
            left_tasks = [task for task in (receiving, ending) if task is not None]
            for task in left_tasks:
                task.cancel()
            await asyncio.gather(*left_tasks, return_exceptions=True)

    async def _received(self, message: Message) -> End | None:
        """The end, if this message is the last one."""
        text = message.get("text")
        content = message.get("bytes") or b"" if text is None else text
        if len(content) > MOST_MESSAGE:
            return End(CloseCode.TOO_LARGE, TooLarge(f"A message may have {MOST_MESSAGE} bytes.", param=None))
        await (self._intake.take if self._intake is not None else self._runner.receive)(content)
        return End(CloseCode.NORMAL, finish=True) if self._protocol.done else None


def _expired(by_age: bool) -> End:
    if by_age:
        error = DeadlineExceeded("The session is as long as it may be. Open another one.", code="session_expired")
        return End(CloseCode.NORMAL, error, finish=True)
    return End(CloseCode.NORMAL, DeadlineExceeded("Nothing was sent for too long.", code="idle_timeout"), finish=True)


def _end_of(tasks: set[asyncio.Task[Any]], reading: asyncio.Task[End | None]) -> End | None:
    """The end that these tasks came to; None when the client has gone."""
    for task in tasks:
        if not task.done() or task.cancelled():
            continue
        error = task.exception()
        if isinstance(error, SlowReader):
            return End(CloseCode.TRY_LATER)
        if isinstance(error, WebSocketDisconnect):
            return None
        if isinstance(error, InvalidAudio):
            return End(CloseCode.UNSUPPORTED, error, finish=False)
        if error is not None:
            log.error("live session failed", exc_info=error)
            known = error if isinstance(error, EndpointError) else EndpointError("The server failed.")
            return End(CloseCode.FAILED, known)
    return reading.result() if reading.done() else None


async def serve_live(
    server: ServerState,
    websocket: WebSocket,
    model: str,
    build: Callable[[Session], tuple[LiveProtocol, Sequence[Message]]],
    subprotocol: str | None = None,
    *,
    containers: bool = False,
) -> None:
    """Serve one session of the protocol that `build` makes.

    An error of `build` or of admission is raised before the socket opens, and is the response.
    """
    async with admitted(server, websocket, model) as means:
        loop = asyncio.get_running_loop()
        session = Session(await loop.run_in_executor(means.threads, server.live.voice))
        protocol, opening = build(session)
        await websocket.accept(subprotocol)
        await Socket(server, websocket, protocol, means, containers).serve(opening)
