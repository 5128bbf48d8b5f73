"""The routes of whisper.cpp's server: `/inference`; and `/load`, which is refused.

Source: ggml-org/whisper.cpp examples/server/server.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from endpoint.api import examples
from endpoint.api.forms import DEFAULT_VAD, TextForm
from endpoint.api.openapi import audio_docs
from endpoint.api.receive import received
from endpoint.api.respond import transcribed, warning_header
from endpoint.api.schemas import ResponseModel, Warned
from endpoint.api.state import ServerState
from endpoint.errors import InvalidRequest
from endpoint.languages import NAMES
from endpoint.options import Options, Task, VadOptions
from endpoint.text.format import Rendering, ResponseFormat, dumps, render, speaker_of, warnings
from endpoint.types import Segment, Transcript


class InferenceForm(TextForm):
    """Fields of `/inference`."""

    response_format: ResponseFormat = Field("json", description="Format of the response.")
    translate: bool = Field(False, description="Into English.")

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        task = Task.TRANSLATE if self.translate else Task.TRANSCRIBE
        return replace(super().options(vad), task=task, words=self.response_format == "verbose_json")


class CppWord(ResponseModel):
    word: str = Field(description="With the space before it.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    t_dtw: int = Field(description="Its start in units of 10 ms.")
    probability: float = Field(ge=0, le=1, description="0 to 1.")
    speaker: str | None = Field(None, description="Who says it; present when speakers were requested.")


class CppSegment(ResponseModel):
    id: int = Field(ge=0, description="Counted from 0 through the whole file.")
    text: str = Field(description="With the space before it.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    tokens: list[int] = Field(description="Token ids, timestamps included.")
    words: list[CppWord] = Field(description="The words of the text.")
    temperature: float = Field(ge=0, description="Temperature it was decoded at.")
    avg_logprob: float = Field(description="Average natural-log probability of its window's tokens.")
    no_speech_prob: float = Field(ge=0, le=1, description="Probability that its window holds no speech.")
    speaker: str | None = Field(None, description="Who says it; present when speakers were requested.")


class CppTranscript(Warned):
    """Response in json; in verbose_json it has all of these."""

    text: str = Field(description="The whole text; in json a line for each segment.")
    task: str | None = Field(None, description="`transcribe` or `translate`.")
    language: str | None = Field(None, description="English name, lower case.")
    duration: float | None = Field(None, ge=0, description="Length of the recording in seconds.")
    segments: list[CppSegment] | None = Field(None, description="In order.")
    detected_language: str | None = Field(None, description="English name, lower case.")
    detected_language_probability: float | None = Field(None, ge=0, le=1, description="0 to 1.")


def whisper_cpp_routes(server: ServerState) -> APIRouter:
    router = APIRouter(tags=["compatible"])

    texts = {"text/plain": "`text` and `srt`.", "text/vtt": "`vtt`."}

    @router.post("/inference", **audio_docs(InferenceForm, CppTranscript, examples.INFERENCES, texts=texts))
    async def inference(request: Request) -> Response:
        """Text of a recording, in the format of whisper.cpp's server."""
        async with received(server, request, InferenceForm) as given:
            transcript = await transcribed(request, given, given.file, given.fields.options(server.settings.vad))
        return _written(transcript, given.fields.response_format)

    @router.post("/load", include_in_schema=False)
    async def load(request: Request) -> Response:
        """Always refused: the models of a server are those it was started with."""
        raise InvalidRequest(
            "The models of this server are fixed when it starts: name them in MODELS, and choose one by `model`.",
            code="unsupported", param="model",
        )  # fmt: skip

    return router


def _written(transcript: Transcript, form: ResponseFormat) -> Response:
    listed = warnings(transcript.notices)
    if form == "json":
        text = "".join(f"{segment.text}\n" for segment in transcript.segments)
        return Response(dumps({"text": text, **listed}), media_type="application/json")
    if form == "verbose_json":
        return Response(dumps({**_verbose(transcript), **listed}), media_type="application/json")
    body, media_type = render(transcript, Rendering(form))
    return Response(body, media_type=media_type, headers=warning_header(media_type, transcript.notices))


def _verbose(transcript: Transcript) -> Mapping[str, Any]:
    return {
        "task": transcript.task.value,
        "language": NAMES[transcript.language],
        "duration": transcript.duration_ms / 1000,
        "text": transcript.text,
        "segments": [_segment(segment) for segment in transcript.segments],
        "detected_language": NAMES[transcript.language],
        "detected_language_probability": transcript.language_probability,
    }


def _segment(segment: Segment) -> Mapping[str, Any]:
    words = [
        {
            "word": word.text,
            "start": word.start_ms / 1000,
            "end": word.end_ms / 1000,
            "t_dtw": word.start_ms // 10,
            "probability": word.probability,
            **speaker_of(word),
        }
        for word in segment.words or ()
    ]
    return {
        "id": segment.id,
        "text": segment.text,
        "start": segment.start_ms / 1000,
        "end": segment.end_ms / 1000,
        "tokens": list(segment.tokens),
        "words": words,
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "no_speech_prob": segment.no_speech_prob,
        **speaker_of(segment),
    }
