"""Files and fields to the reply asked for: one transcript, several side by side, or a stream of events."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import structlog
from fastapi import Request
from starlette.responses import Response

from endpoint.api.errors import error_body, status_of
from endpoint.api.forms import AudioForm, TranslationForm
from endpoint.api.limits import while_connected
from endpoint.api.receive import Received
from endpoint.api.stream import Emit, EventStream
from endpoint.api.upload import File
from endpoint.errors import EndpointError, InvalidRequest
from endpoint.options import Options
from endpoint.tasks import together
from endpoint.text.events import EventWriter
from endpoint.text.format import dumps, render, warnings
from endpoint.types import Notice, Transcript

log = structlog.get_logger(__name__)

MOST_WARNINGS = 10  # in a header: servers between have limits of a few KiB


async def answer(
    request: Request, given: Received[TranslationForm], options: Options, held: AsyncExitStack
) -> Response:
    """held: what the request holds; a stream takes it over."""
    if given.fields.stream:
        work = _streaming(request, given, options)
        return EventStream(work, held.pop_all())
    if given.several:
        return await while_connected(request.receive, _several(request, given, options))
    transcript = await while_connected(request.receive, given.pipeline.transcribe(given.file, options))
    request.state.audio_seconds = transcript.duration_ms / 1000
    transcript = noticed(transcript, given.fields)
    body, media_type = _rendered(transcript, given.fields, options)
    return Response(body, media_type=media_type, headers=warning_header(media_type, transcript.notices))


def noticed(transcript: Transcript, fields: AudioForm) -> Transcript:
    """The transcript, with what was ignored of the request."""
    return replace(transcript, notices=(*fields.notices, *transcript.notices))


def warning_header(media_type: str, notices: Sequence[Notice]) -> dict[str, str]:
    """`x-warnings` for replies that have no place for them in their body: the JSON that others have, in ASCII."""
    rows = warnings(notices[:MOST_WARNINGS]).get("warnings")
    return {"x-warnings": json.dumps(rows)} if rows and media_type != "application/json" else {}


def _rendered(transcript: Transcript, fields: TranslationForm, options: Options) -> tuple[bytes, str]:
    return render(transcript, fields.response_format, segments=fields.lists_segments, logprobs=options.logprobs)


def _streaming(
    request: Request, given: Received[TranslationForm], options: Options
) -> Callable[[Emit], Coroutine[Any, Any, None]]:
    if given.several:
        raise InvalidRequest("stream: several files cannot be streamed; send one", param="stream")
    fields = given.fields
    writer = EventWriter(fields.response_format, segments=fields.lists_segments, logprobs=options.logprobs)

    async def work(emit: Emit) -> None:
        transcript = await given.pipeline.transcribe(
            given.file,
            options,
            progress=lambda done, total: emit(b""),
            heard=lambda segments: emit(writer.deltas(segments)),
        )
        request.state.audio_seconds = transcript.duration_ms / 1000
        emit(writer.done(noticed(transcript, fields)))

    return work


async def _several(request: Request, given: Received[TranslationForm], options: Options) -> Response:
    """A list in the order of the files; what fails does not keep the others from their text."""

    async def one(index: int, file: File) -> tuple[dict[str, Any], float]:
        row: dict[str, Any] = {"index": index, "filename": file.name}
        try:
            transcript = await given.pipeline.transcribe(file.data, options)
            body, media_type = _rendered(transcript, given.fields, options)
        except EndpointError as error:
            return {**row, "status": status_of(error), **error_body(error)}, 0.0
        except Exception:
            log.exception("one of several files failed")
            return {**row, "status": 500, **error_body(EndpointError("The server failed; its log tells more."))}, 0.0
        if media_type == "application/json":
            row |= {"status": 200, "result": json.loads(body)}
        else:
            row |= {"status": 200, "result": body.decode(), **warnings(transcript.notices)}
        return row, transcript.duration_ms / 1000

    rows = await together(one(index, file) for index, file in enumerate(given.files))
    request.state.audio_seconds = sum(seconds for _, seconds in rows)
    answered = {"object": "list", "data": [row for row, _ in rows], **warnings(given.fields.notices)}
    return Response(dumps(answered), media_type="application/json")
