"""OpenAI's routes: transcription, translation, models; and language detection. The core does the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from endpoint.api import examples
from endpoint.api.connection import while_connected
from endpoint.api.forms import DetectionForm, TranscriptionForm, TranslationForm
from endpoint.api.openapi import audio_docs, error_responses
from endpoint.api.receive import received
from endpoint.api.respond import respond
from endpoint.api.schemas import (
    DetectedLanguage,
    DiarizedTranscription,
    FileResults,
    LanguageProbability,
    Model,
    ModelList,
    Transcription,
    Translation,
    VerboseTranscription,
    VerboseTranslation,
    warned,
)
from endpoint.api.state import ServerState, caller_of
from endpoint.languages import NAMES
from endpoint.types import Notice

PREFIXES = ("/api/v1", "/v1")  # Hugging Face's guides use the first, OpenAI's clients the second


def openai_routes(server: ServerState) -> APIRouter:
    """The routes without their prefix."""
    router = APIRouter()

    @router.post(
        "/audio/transcriptions",
        **audio_docs(
            TranscriptionForm,
            Transcription | VerboseTranscription | DiarizedTranscription | FileResults,
            examples.TRANSCRIPTIONS,
            examples.TRANSCRIBED,
        ),
    )
    async def transcribe(request: Request) -> Response:
        """Text of a recording, in the language spoken. `response_format` sets the format; `Accept` is ignored."""
        return await text_of(server, request, TranscriptionForm)

    @router.post(
        "/audio/translations",
        **audio_docs(
            TranslationForm,
            Translation | VerboseTranslation | DiarizedTranscription | FileResults,
            examples.TRANSLATIONS,
            examples.TRANSLATED,
        ),
    )
    async def translate(request: Request) -> Response:
        """English text of a recording in any language. `response_format` sets the format; `Accept` is ignored."""
        return await text_of(server, request, TranslationForm)

    @router.post(
        "/audio/detect-language",
        response_model_exclude_unset=True,
        **audio_docs(DetectionForm, DetectedLanguage, examples.DETECTIONS),
    )
    async def detect_language(request: Request) -> DetectedLanguage:
        """The language spoken in a recording: one decoder step in up to eight of its windows. An extension."""
        async with received(server, request, DetectionForm) as given:
            work = given.transcriber.detect(given.file, given.fields.options(server.settings.vad), given.call)
            return _detected(*await while_connected(request.receive, work), given.fields.notices)

    return router


def model_routes(server: ServerState) -> APIRouter:
    """The routes without their prefix."""
    router = APIRouter()

    @router.get("/models", responses=error_responses(401), tags=["models"])
    async def list_models(request: Request) -> ModelList:
        """The served models that the caller may use, by the names that clients may send."""
        caller = caller_of(request)
        listed = [name for name in server.models.names.listed if server.may_use(caller, name)]
        return ModelList(data=[_card(server, name) for name in listed])

    @router.get("/models/{model:path}", responses=error_responses(401, 404), tags=["models"])
    async def retrieve_model(request: Request, model: Annotated[str, Path(description="Name of a model.")]) -> Model:
        """A served model, found by its name, by an alias or by a name of OpenAI's."""
        return _card(server, server.model(caller_of(request), model or "/"))

    return router


async def text_of(server: ServerState, request: Request, form: type[TranslationForm], model: str = "") -> Response:
    """The response to a form of OpenAI's. model: from the path; empty if it is not there."""
    async with AsyncExitStack() as held:
        given = await held.enter_async_context(received(server, request, form, model))
        given.fields.check_postprocess(bool(server.settings.llm_base_url))
        return await respond(request, given, given.fields.options(server.settings.vad), held)


def _detected(probabilities: Mapping[str, float], duration_ms: int, notices: Sequence[Notice]) -> DetectedLanguage:
    top = sorted(probabilities.items(), key=lambda item: -item[1])[:5]
    rows = [LanguageProbability(language=code, name=NAMES[code], probability=share) for code, share in top]
    best = rows[0].model_dump()
    return DetectedLanguage(**best, duration=duration_ms / 1000, languages=rows, **warned(notices))


def _card(server: ServerState, name: str) -> Model:
    created = server.models.find(name).info.created
    return Model(id=server.models.names.shown(name), created=created, owned_by="whisper-endpoint")
