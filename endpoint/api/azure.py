"""Azure's paths of OpenAI's audio API: the deployment in the path names the model, `api-version` is ignored."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from endpoint.api import examples
from endpoint.api.forms import TranscriptionForm, TranslationForm
from endpoint.api.openapi import audio_docs
from endpoint.api.routes import text_of
from endpoint.api.schemas import (
    DiarizedTranscription,
    FileResults,
    Transcription,
    Translation,
    VerboseTranscription,
    VerboseTranslation,
)
from endpoint.api.state import ServerState

_Deployment = Annotated[str, Path(description="A name of /v1/models, an alias, or a name of OpenAI's.")]


def azure_routes(server: ServerState) -> APIRouter:
    router = APIRouter(prefix="/openai/deployments/{model}", tags=["compatible"])

    @router.post(
        "/audio/transcriptions",
        **audio_docs(
            TranscriptionForm,
            Transcription | VerboseTranscription | DiarizedTranscription | FileResults,
            examples.TRANSCRIPTIONS,
            examples.TRANSCRIBED,
        ),
    )
    async def transcribe(request: Request, model: _Deployment) -> Response:
        """As `/v1/audio/transcriptions`, with the model in the path, for Azure's clients."""
        return await text_of(server, request, TranscriptionForm, model)

    @router.post(
        "/audio/translations",
        **audio_docs(
            TranslationForm,
            Translation | VerboseTranslation | DiarizedTranscription | FileResults,
            examples.TRANSLATIONS,
            examples.TRANSLATED,
        ),
    )
    async def translate(request: Request, model: _Deployment) -> Response:
        """As `/v1/audio/translations`, with the model in the path, for Azure's clients."""
        return await text_of(server, request, TranslationForm, model)

    return router
