"""Reads the files and fields of a request of any route, with a permit, a deadline and limits of size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from fastapi import Request

from endpoint.access.charge import Charge
from endpoint.access.metered import Metered
from endpoint.api.connection import while_connected
from endpoint.api.forms import AudioForm, parse_fields
from endpoint.api.limits import body_size, charged, most_bytes
from endpoint.api.state import ServerState
from endpoint.api.upload import File, Form, read_body, read_form
from endpoint.call import Call, Stage
from endpoint.errors import InvalidRequest
from endpoint.memfile import MemoryFile
from endpoint.outgoing import fetch

if TYPE_CHECKING:
    from endpoint.core.transcriber import Transcriber

F = TypeVar("F", bound=AudioForm)


@dataclass(frozen=True)
class Received(Generic[F]):
    """files: one or more. several: whether the response is a list. transcriber: of the requested model."""

    fields: F
    files: tuple[File, ...]
    several: bool
    transcriber: Transcriber
    call: Call

    @property
    def file(self) -> MemoryFile:
        """The only file. Raises InvalidRequest if there are several."""
        if self.several:
            raise InvalidRequest("file: this route takes one file", param="file")
        return self.files[0].data


@asynccontextmanager
async def admitted(
    server: ServerState, request: Request, model: str = "", *, audio: bool = True
) -> AsyncIterator[tuple[Call, Charge]]:
    """The call of a request, with a permit and a deadline, and its charge.

    model: from the path. Where it is known, or there is only one, limits are looked at before the body is read.
    audio: whether recordings of the request are worked on before its response. Raises Overloaded, NotReady,
    EngineFailed, RateLimited, QuotaExceeded.
    """
    await server.check_any()
    with server.admission.permit(size=body_size(request) if audio else 0) as permit:
        async with charged(server, request) as charge:
            given = Call(
                request.state.request_id,
                charge.caller,
                seconds=server.settings.request_timeout_seconds,
                permit=permit,
                charge=charge,
                traceparent=request.headers.get("traceparent", ""),
            )
            request.state.call = given  # for the log
            async with AsyncExitStack() as held:
                call = held.enter_context(server.observer.observing(given))
                await held.enter_async_context(call.deadline())
                if model or server.models.names.sole:
                    server.transcriber(charge.caller, model)  # whether it may be used
                    await charge.begin(server.models.names.find(model))
                yield call, charge


@asynccontextmanager
async def received(
    server: ServerState, request: Request, form: type[F], model: str = "", *, query: bool = False
) -> AsyncIterator[Received[F]]:
    """The files and the checked fields of an admitted request.

    model: from the path; it takes precedence over the form. query: whether to read fields from the query string too.
    """
    async with admitted(server, request, model) as (call, charge):
        most = most_bytes(server, call.caller)
        with call.record.waiting(Stage.RECEIVE):
            upload = await read_form(request.receive, request.headers, most)
        given = [*(request.query_params.multi_items() if query else ()), *upload.fields]
        fields = parse_fields(form, given, server.settings.strict_fields, upload.others)
        transcriber = server.transcriber(call.caller, model or fields.model)
        call.record.model = server.models.names.find(model or fields.model)
        await transcriber.check()
        await charge.begin(server.models.names.find(model or fields.model))
        with call.record.waiting(Stage.RECEIVE):
            files = await _files_or_url(server, request, upload, fields.url, most)
        if call.permit is not None:
            call.permit.files(len(files))
            call.permit.expect(sum(len(file.data) for file in files))
        yield Received(fields, files, upload.several, Metered(transcriber, charge), call)


async def _files_or_url(server: ServerState, request: Request, upload: Form, url: str, most: int) -> tuple[File, ...]:
    if upload.files and url:
        raise InvalidRequest("url: give either `file` or `url`", param="url")
    if upload.files:
        return upload.files
    if not url:
        raise InvalidRequest("file: the form has no file under this name", code="missing_file", param="file")
    fetched = fetch(url, server.outgoing, most)
    return (File(url, await while_connected(request.receive, fetched)),)


@asynccontextmanager
async def received_body(server: ServerState, request: Request) -> AsyncIterator[tuple[MemoryFile, Transcriber, Call]]:
    """The whole body of an admitted request, and the default model."""
    async with admitted(server, request) as (call, charge):
        await charge.begin(server.models.names.default)
        with call.record.waiting(Stage.RECEIVE):
            body = await read_body(request.receive, request.headers, most_bytes(server, call.caller))
        call.record.model = server.models.names.default
        yield body, Metered(server.transcriber(call.caller, ""), charge), call
