"""Makes the response to files and fields: one transcript, a list of transcripts, or a stream of events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any

import structlog
from fastapi import Request
from starlette.responses import Response

from endpoint.api.connection import while_connected
from endpoint.api.errors import error_body, status_of
from endpoint.api.forms import TranslationForm
from endpoint.api.receive import Received
from endpoint.api.stream import EventStream
from endpoint.api.upload import File
from endpoint.call import Stage
from endpoint.core.transcriber import Progress, transcribe
from endpoint.errors import EndpointError, InvalidRequest
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.tasks import together
from endpoint.text.events import EventWriter
from endpoint.text.format import Rendering, dumps, render_noting, warnings
from endpoint.types import Notice, Transcript

log = structlog.get_logger(__name__)

MOST_WARNINGS = 10  # in a header: proxies limit headers to a few KiB


async def respond(
    request: Request, given: Received[TranslationForm], options: Options, held: AsyncExitStack
) -> Response:
    """The response. held: permit, deadline and other resources of the request; a stream releases them at its end."""
    rendering = given.fields.rendering()
    if given.fields.stream:
        if given.several:
            raise InvalidRequest("stream: several files cannot be streamed; send one", param="stream")
        return EventStream(_events(given, options, rendering), held.pop_all())
    if given.several:
        return await while_connected(request.receive, _several(given, options, rendering))
    transcript = await transcribed(request, given, given.file, options)
    with given.call.record.spending(Stage.FORMAT):
        body, media_type, notices = await written(transcript, rendering)
    return Response(body, media_type=media_type, headers=warning_header(media_type, notices))


async def written(transcript: Transcript, rendering: Rendering) -> tuple[bytes, str, tuple[Notice, ...]]:
    """As render_noting; in a thread where hours of subtitles are laid out, which takes seconds."""
    if rendering.layout is None:
        return render_noting(transcript, rendering)
    return await asyncio.to_thread(render_noting, transcript, rendering)


async def transcribed(request: Request, given: Received[Any], file: MemoryFile, options: Options) -> Transcript:
    """The transcript of one file, with notices of the ignored fields. Also raises ClientGone."""
    work = transcribe(given.transcriber, file, options, given.call)
    return noticed(await while_connected(request.receive, work), given.fields.notices)


def noticed(transcript: Transcript, notices: Sequence[Notice]) -> Transcript:
    """The transcript with more notices, which come before its own."""
    return replace(transcript, notices=(*notices, *transcript.notices))


def warning_header(media_type: str, notices: Sequence[Notice]) -> dict[str, str]:
    """`x-warnings` for responses that are not JSON: the value of `warnings` in other responses, as JSON in ASCII."""
    rows = warnings(notices[:MOST_WARNINGS]).get("warnings")
    return {"x-warnings": json.dumps(rows)} if rows and media_type != "application/json" else {}


async def _events(
    given: Received[TranslationForm], options: Options, rendering: Rendering
) -> AsyncGenerator[bytes, None]:
    writer = EventWriter(rendering)
    async with aclosing(given.transcriber.segments(given.file, options, given.call)) as steps:
        async for step in steps:
            if isinstance(step, Progress):
                yield writer.deltas(step.segments)
            else:
                yield writer.done(noticed(step, given.fields.notices))


async def _several(given: Received[TranslationForm], options: Options, rendering: Rendering) -> Response:
    """A list in the order of the files. A file that fails does not affect the others."""

    async def one(index: int, file: File) -> dict[str, Any]:
        row: dict[str, Any] = {"index": index, "filename": file.name}
        try:
            transcript = await transcribe(given.transcriber, file.data, options, given.call)
            body, media_type, notices = await written(transcript, rendering)
        except EndpointError as error:
            return {**row, "status": status_of(error), **error_body(error)}
        except Exception:
            log.exception("one of several files failed")
            return {**row, "status": 500, **error_body(EndpointError("The server failed; its log has the details."))}
        if media_type == "application/json":
            return {**row, "status": 200, "result": json.loads(body)}
        return {**row, "status": 200, "result": body.decode(), **warnings(notices)}

    rows = await together(one(index, file) for index, file in enumerate(given.files))
    listed = {"object": "list", "data": rows, **warnings(given.fields.notices)}
    return Response(dumps(listed), media_type="application/json")
