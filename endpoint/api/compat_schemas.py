"""The wire models of the routes in endpoint/api/compat.py; forms.py and schemas.py have those of OpenAI's routes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from endpoint.api.forms import DEFAULT_VAD, TextForm
from endpoint.api.schemas import ResponseModel, TranscriptionWord, Warned
from endpoint.options import Options, Task, VadOptions


class CompatForm(TextForm):
    """Fields of older Whisper services."""

    task: Literal["transcribe", "translate"] = Field("transcribe", description="`translate`: into English.")
    word_timestamps: bool = Field(False, description="Time every word.")

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        return replace(super().options(vad), task=Task(self.task), words=self.word_timestamps)


class CompatSegment(ResponseModel):
    id: int = Field(ge=0, description="Counted from 0 through the whole file.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    text: str = Field(description="Without leading space.")
    words: list[TranscriptionWord] | None = Field(None, description="Null unless `word_timestamps` was set.")
    speaker: str | None = Field(None, description="Who says it; present when speakers were requested.")


class CompatTranscript(Warned):
    text: str = Field(description="The whole text.")
    language: str = Field(description="ISO 639-1 code.")
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    segments: list[CompatSegment] = Field(description="In order.")


class CompatLanguage(Warned):
    detected_language: str = Field(description="English name, lower case.")
    language_code: str = Field(description="ISO 639-1 code.")
    confidence: float = Field(ge=0, le=1, description="Its probability, 0 to 1.")


class HuggingFaceChunk(ResponseModel):
    text: str = Field(description="Of a segment or a word.")
    timestamp: tuple[float, float] = Field(description="Start and end in seconds of the file.")


class HuggingFaceResponse(Warned):
    text: str = Field(description="The whole text.")
    language: str = Field(description="ISO 639-1 code.")
    chunks: list[HuggingFaceChunk] | None = Field(None, description="Present when timestamps were requested.")
