"""The routes of older services: /transcribe, /detect-language, and `POST /`, which takes audio.

A client of a Whisper web service, or of Hugging Face's inference API, only has to change the host.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from endpoint.api import examples
from endpoint.api.compat_schemas import CompatForm, CompatLanguage, CompatTranscript, HuggingFaceResponse
from endpoint.api.connection import while_connected
from endpoint.api.openapi import audio_docs
from endpoint.api.receive import received, received_body
from endpoint.api.respond import transcribed
from endpoint.api.schemas import warned
from endpoint.api.state import ServerState
from endpoint.api.whisper_asr import AsrDetectionForm, with_header
from endpoint.core.transcriber import transcribe
from endpoint.errors import InvalidRequest
from endpoint.huggingface import Parameters, read_inputs, response_body
from endpoint.languages import NAMES
from endpoint.memfile import MemoryFile
from endpoint.text.format import dumps, speaker_of, warnings, word_row
from endpoint.types import Transcript

_Model = Annotated[str, Path(description="A name of /v1/models, an alias, or a name of OpenAI's.")]
_ANY = {"schema": {"type": "string", "format": "binary", "description": "The recording itself."}}
_INPUTS = {
    "schema": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {"type": "string", "description": "The audio file in base64."},
            "parameters": Parameters.model_json_schema(),
        },
    }
}


def compat_routes(server: ServerState) -> APIRouter:
    router = APIRouter(tags=["compatible"])
    documents = audio_docs(CompatForm, CompatTranscript, examples.COMPATIBLE)

    async def transcribe(request: Request, model: str = "") -> Response:
        async with received(server, request, CompatForm, model) as given:
            options = given.fields.options(server.settings.vad)
            transcript = await transcribed(request, given, given.file, options)
        body = _old_style(transcript)
        CompatTranscript.model_validate(body)
        return Response(dumps(body), media_type="application/json")

    @router.post("/transcribe", **documents)
    async def transcribe_default(request: Request) -> Response:
        """Text and segments of a recording, in the format of older Whisper services."""
        return await transcribe(request)

    @router.post("/transcribe/{model:path}", **documents)
    async def transcribe_with(request: Request, model: _Model) -> Response:
        """As `/transcribe`, with the model in the path."""
        return await transcribe(request, model)

    @router.post("/transcribe-{model:path}", **documents)
    async def transcribe_dashed(request: Request, model: _Model) -> Response:
        """As `/transcribe`, with the model in the path."""
        return await transcribe(request, model)

    @router.post(
        "/detect-language",
        response_model_exclude_unset=True,
        **audio_docs(AsrDetectionForm, CompatLanguage, examples.DETECTIONS),
    )
    async def detect_language(request: Request) -> CompatLanguage:
        """The language spoken in a recording; `/v1/audio/detect-language` has more details."""
        async with received(server, request, AsrDetectionForm, query=True) as given:
            file = given.file if given.fields.encode else await asyncio.to_thread(with_header, given.file)
            options = given.fields.options(server.settings.vad)
            shares, _ = await while_connected(request.receive, given.transcriber.detect(file, options, given.call))
        code = max(shares, key=lambda name: shares[name])
        return CompatLanguage(
            detected_language=NAMES[code],
            language_code=code,
            confidence=shares[code],
            **warned(given.fields.notices),
        )

    _hugging_face(router, server, documents["responses"])
    return router


def _hugging_face(router: APIRouter, server: ServerState, responses: Any) -> None:
    body = {"required": True, "content": {"audio/*": _ANY, "video/*": _ANY, "application/json": _INPUTS}}

    @router.post(
        "/",
        response_model=HuggingFaceResponse,
        response_model_exclude_unset=True,
        responses=responses,
        openapi_extra={"requestBody": body},
    )
    async def hugging_face(request: Request) -> Any:
        """Audio bytes, or JSON with `inputs` and `parameters`, as Hugging Face's clients post them to an endpoint."""
        async with received_body(server, request) as (data, transcriber, call):
            file, parameters = _inputs(request.headers.get("content-type", ""), data, server.settings.strict_fields)
            options = replace(parameters.options(), vad=server.settings.vad)
            work = transcribe(transcriber, file, options, call)
            transcript = await while_connected(request.receive, work)
        return response_body(transcript, parameters)


def _inputs(content_type: str, data: MemoryFile, strict: bool) -> tuple[bytes | MemoryFile, Parameters]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        raise InvalidRequest("Post forms to /v1/audio/transcriptions; here the body is the recording itself.")
    if kind != "application/json":
        return data, Parameters()
    try:
        given = json.loads(data.read())
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error
    parameters = given.get("parameters") if isinstance(given, dict) else None
    return read_inputs(given), Parameters.of(parameters or {}, strict)


def _old_style(transcript: Transcript) -> dict[str, Any]:
    segments = [
        {
            "id": segment.id,
            "start": segment.start_ms / 1000,
            "end": segment.end_ms / 1000,
            "text": segment.text.strip(),
            "words": None if segment.words is None else [word_row(word) for word in segment.words],
            **speaker_of(segment),
        }
        for segment in transcript.segments
    ]
    return {
        "text": transcript.text,
        "language": transcript.language,
        "duration": transcript.duration_ms / 1000,
        "segments": segments,
        **warnings(transcript.notices),
    }
