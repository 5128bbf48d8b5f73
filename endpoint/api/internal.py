"""The routes of an engine server for its gateway: recordings and options in, steps out, as in `endpoint.gateway.wire`.

They stand before the check of API keys, as the gateway has checked its callers, and have a secret of their own.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from endpoint.admission import Permit, Urgency
from endpoint.api.errors import error_response
from endpoint.api.state import ServerState
from endpoint.api.stream import EventStream
from endpoint.api.upload import read_headed
from endpoint.call import Call
from endpoint.codec import CodecError, decode, encode, encode_error, encode_transcript
from endpoint.core.transcriber import Progress, Transcriber
from endpoint.errors import EndpointError, InvalidKey, InvalidRequest, NotReady, RouteNotFound
from endpoint.gateway.wire import (
    DETECT,
    INFO,
    MEDIA_TYPE,
    PING_SECONDS,
    PREFIX,
    SEGMENTS,
    TOKEN_HEADER,
    URGENCY_HEADER,
    Admitted,
    Info,
    Kind,
    Languages,
    Measured,
    SavedWindow,
    Work,
    line,
)
from endpoint.memfile import MemoryFile
from endpoint.models import OPENAI_MODELS
from endpoint.observe.calls import Observer
from endpoint.observe.metrics import RELAYED
from endpoint.tasks import produced_lists
from endpoint.types import Transcript

MIB = 1024 * 1024
MAX_HEAD_BYTES = 64 * MIB  # of the windows of a day of speech, with log-probabilities

Emit = Callable[[bytes], None]


@dataclass(frozen=True)
class _Given:
    """What a gateway sent, and what is to be observed of it. model: as served here.

    permit: None for work of jobs, as in a server that works them off itself.
    """

    observer: Observer
    model: str
    transcriber: Transcriber
    file: MemoryFile
    work: Work
    permit: Permit | None


Run = Callable[[_Given, Call, Emit], Awaitable[bytes]]  # the last line


class LineStream(EventStream):
    media_type = MEDIA_TYPE
    ping, ping_seconds = line(Kind.PING), PING_SECONDS

    def failure(self, error: EndpointError) -> bytes:
        return line(Kind.ERROR, encode_error(error))


@dataclass(frozen=True)
class _RelayedCall(Call):
    """A gateway's call: its permit is the gateway's, too, which learns of the length from here."""

    emit: Emit = field(kw_only=True)

    @property
    def kind(self) -> str:
        return RELAYED

    async def admit(self, audio_seconds: float, passes: int = 1) -> None:
        await super().admit(audio_seconds, passes)
        self.emit(line(Kind.ADMITTED, encode(Admitted, Admitted(audio_seconds, passes))))


class _RelayedCheckpoint:
    """The Checkpoint of a job, which is at the gateway."""

    def __init__(self, found: Mapping[int, bytes], emit: Emit) -> None:
        self.found, self._emit = found, emit

    async def save(self, window: int, data: bytes) -> None:
        self._emit(line(Kind.WINDOW, encode(SavedWindow, SavedWindow(window, data))))


class EngineRoutes:
    """ASGI middleware: responds to paths under PREFIX, where the secret is right."""

    def __init__(self, app: ASGIApp, server: ServerState, token: str) -> None:
        self.app, self._server, self._token = app, server, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(f"{PREFIX}/"):
            await self.app(scope, receive, send)
            return
        known = scope["path"] if scope["path"] in (INFO, SEGMENTS, DETECT) else f"{PREFIX}/"
        scope["route"] = SimpleNamespace(path=known)  # for log and metrics, where their number is bounded
        try:
            response = await self._respond(scope, receive)
        except EndpointError as error:
            scope.setdefault("state", {})["error_code"] = error.code
            response = error_response(error)
        await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        sent = Headers(scope=scope).get(TOKEN_HEADER, "").encode("latin-1")
        if not hmac.compare_digest(sent, self._token):
            raise InvalidKey(f"The header {TOKEN_HEADER} is not this server's ENGINE_TOKEN.")
        match scope["method"], scope["path"]:
            case "GET", path if path == INFO:
                return Response(encode(Info, await self._info()), media_type="application/json")
            case "POST", path if path == SEGMENTS:
                return await self._work(scope, receive, _segments)
            case "POST", path if path == DETECT:
                return await self._work(scope, receive, _detect)
        raise RouteNotFound(f"There is nothing at {scope['path'][:200]} for {scope['method']}.")

    async def _info(self) -> Info:
        """Raises what /ready raises."""
        if self._server.draining:
            raise NotReady("The server is stopping.", code="stopping")
        await self._server.check()
        models = self._server.models
        names = models.names
        listed = {name: models.find(name).info for name in names.listed}
        more = {
            alias: names.shown(alias)
            for alias, meant in names.meaning.items()
            if alias not in listed and not (alias in OPENAI_MODELS and meant == names.default)
        }
        aliases = {alias: name for alias, name in more.items() if name in listed}
        return Info(listed, names.shown(""), aliases)

    async def _work(self, scope: Scope, receive: Receive, run: Run) -> Response:
        """The steps. A failure before the first one is a line as well."""
        try:
            async with AsyncExitStack() as held:
                given = await held.enter_async_context(self._received(scope, receive))
                return LineStream(_lines(scope, given, run), held.pop_all())
        except EndpointError as error:
            scope.setdefault("state", {})["error_code"] = error.code
            return Response(line(Kind.ERROR, encode_error(error)), media_type=MEDIA_TYPE)

    @asynccontextmanager
    async def _received(self, scope: Scope, receive: Receive) -> AsyncIterator[_Given]:
        server, models = self._server, self._server.models
        await server.check_any()
        most, headers = server.settings.max_upload_mb * MIB, Headers(scope=scope)
        async with AsyncExitStack() as held:
            size = headers.get("content-length", "0")
            urgency = Urgency.LIVE if headers.get(URGENCY_HEADER) == Urgency.LIVE.label else Urgency.REQUEST
            permit = held.enter_context(server.admission.permit(urgency, int(size) if size.isdecimal() else 0))
            body = await read_headed(receive, headers, MAX_HEAD_BYTES, most)
            try:
                work = decode(Work, bytes(body.head))
            except CodecError as error:
                raise InvalidRequest(f"The gateway has another version: {error}", code="invalid_form") from error
            if work.urgency is Urgency.JOB:
                await held.aclose()
            else:
                permit.expect(len(body.file))
            transcriber = models.find(work.model)
            await transcriber.check()
            kept = None if work.urgency is Urgency.JOB else permit
            yield _Given(server.observer, models.names.find(work.model), transcriber, body.file, work, kept)


async def _lines(scope: Scope, given: _Given, run: Run) -> AsyncGenerator[bytes, None]:
    yield b""  # begins the response: the gateway knows that the work has begun
    async with aclosing(produced_lists(partial(_run, scope, given, run))) as made:
        async for lines in made:
            yield b"".join(lines)


async def _run(scope: Scope, given: _Given, run: Run, emit: Emit) -> None:
    work = given.work
    relayed = _RelayedCall(
        work.id,
        work.asked_by(),
        work.priority,
        work.seconds,
        given.permit,
        urgency=work.urgency,
        checkpoint=None if work.found is None else _RelayedCheckpoint(work.found, emit),
        traceparent=work.traceparent,
        emit=emit,
    )
    relayed.record.model = given.model
    scope.setdefault("state", {})["call"] = relayed  # for the log
    try:
        with given.observer.observing(relayed) as call:
            async with call.deadline():
                last = await run(given, call, emit)
    finally:
        emit(line(Kind.MEASURED, encode(Measured, Measured.of(relayed.record))))
    emit(last)


async def _segments(given: _Given, call: Call, emit: Emit) -> bytes:
    last = b""
    async with aclosing(given.transcriber.segments(given.file, given.work.options, call)) as steps:
        async for step in steps:
            if isinstance(step, Transcript):
                last = line(Kind.TRANSCRIPT, encode_transcript(step))
            else:
                emit(line(Kind.PROGRESS, encode(Progress, step)))
    return last


async def _detect(given: _Given, call: Call, emit: Emit) -> bytes:
    probabilities, duration_ms = await given.transcriber.detect(given.file, given.work.options, call)
    return line(Kind.LANGUAGES, encode(Languages, Languages(dict(probabilities), duration_ms)))
