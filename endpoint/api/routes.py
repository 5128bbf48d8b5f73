"""OpenAI's routes: transcription, translation, models. One path for both tasks; no logic of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from endpoint.api.door import Door
from endpoint.api.limits import while_connected
from endpoint.api.receive import received
from endpoint.api.schemas import (
    AudioForm,
    DetectedLanguage,
    DetectionForm,
    ErrorBody,
    LanguageProbability,
    Model,
    ModelList,
    Transcription,
    TranscriptionForm,
    Translation,
    TranslationForm,
    VerboseTranscription,
    VerboseTranslation,
)
from endpoint.languages import NAMES
from endpoint.text.format import render

PREFIXES = ("/v1", "/api/v1")  # the second is what Hugging Face's own images and guides use

_HEADERS = {"x-request-id": {"description": "Id of the request, as in the log.", "schema": {"type": "string"}}}
_RETRY_AFTER = {"retry-after": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}}
_TEXT = {"schema": {"type": "string"}}
_ERRORS = {
    400: "A field is missing or wrong, or the file holds no audio that can be decoded.",
    404: "No such model.",
    413: "The file is too large, or the recording too long.",
    500: "The model failed.",
    503: "The model is still loading, or every place is taken; try again after `Retry-After` seconds.",
    504: "The request took too long, or the upload was too slow.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of these statuses, and of every other error."""
    known: dict[int | str, dict[str, Any]] = {
        status: {
            "model": ErrorBody,
            "description": _ERRORS[status],
            "headers": _HEADERS | (_RETRY_AFTER if status == 503 else {}),
        }
        for status in statuses
    }
    return {**known, "default": {"model": ErrorBody, "description": "Any other error.", "headers": _HEADERS}}


def audio_docs(form: type[AudioForm], reply: Any) -> dict[str, Any]:
    """What OpenAPI says of a route that reads its body itself and answers in several media types."""
    content = {"text/plain": _TEXT, "text/vtt": _TEXT}
    answered = {"description": "The text, in the format asked for.", "content": content, "headers": _HEADERS}
    schema = form.model_json_schema()
    return {
        "response_model": reply,
        "responses": {200: answered, **error_responses(*_ERRORS)},
        "openapi_extra": {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}},
        "tags": ["audio"],
    }


def openai_routes(door: Door) -> APIRouter:
    """The routes without their prefix."""
    router = APIRouter()

    @router.post("/audio/transcriptions", **audio_docs(TranscriptionForm, Transcription | VerboseTranscription))
    async def transcribe(request: Request) -> Response:
        """Text of a recording, in the language spoken. `response_format` decides the reply, never `Accept`."""
        return await _answer(door, request, TranscriptionForm)

    @router.post("/audio/translations", **audio_docs(TranslationForm, Translation | VerboseTranslation))
    async def translate(request: Request) -> Response:
        """English text of a recording in any language. `response_format` decides the reply, never `Accept`."""
        return await _answer(door, request, TranslationForm)

    detection = audio_docs(DetectionForm, DetectedLanguage)
    del detection["responses"][200]

    @router.post("/audio/detect-language", **detection)
    async def detect_language(request: Request) -> DetectedLanguage:
        """The language spoken in a recording: one decoder step in up to eight of its windows. An extension."""
        async with received(door, request, DetectionForm) as (model, file, fields):
            work = model.detect(file, fields.options(door.settings.vad))
            return _detected(*await while_connected(request.receive, work))

    @router.get("/models", responses=error_responses(), tags=["models"])
    async def list_models() -> ModelList:
        """The models served, by the names that clients may send."""
        return ModelList(data=[_card(door, name) for name in door.models.names.listed])

    @router.get("/models/{model:path}", responses=error_responses(404), tags=["models"])
    async def retrieve_model(model: str) -> Model:
        """A model served, by its name, an alias of it or a name of OpenAI's."""
        return _card(door, model or "/")

    return router


async def _answer(door: Door, request: Request, form: type[TranslationForm]) -> Response:
    async with received(door, request, form) as (model, file, fields):
        options = fields.options(door.settings.vad)
        transcript = await while_connected(request.receive, model.transcribe(file, options))
    request.state.audio_seconds = transcript.duration_ms / 1000
    body, media_type = render(transcript, fields.response_format, segments=fields.lists_segments)
    return Response(body, media_type=media_type)


def _detected(probabilities: Mapping[str, float], duration_ms: int) -> DetectedLanguage:
    top = sorted(probabilities.items(), key=lambda item: -item[1])[:5]
    rows = [LanguageProbability(language=code, name=NAMES[code], probability=share) for code, share in top]
    return DetectedLanguage(**rows[0].model_dump(), duration=duration_ms / 1000, languages=rows)


def _card(door: Door, name: str) -> Model:
    created = door.models.find(name).info.created
    return Model(id=door.models.names.shown(name), created=created, owned_by="whisper-endpoint")
