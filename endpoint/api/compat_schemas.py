"""The wire models of the older doors, as endpoint/api/forms.py and schemas.py have OpenAI's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from endpoint.api.forms import AudioForm, known_language
from endpoint.api.schemas import Reply, TranscriptionWord
from endpoint.options import Options, Task, VadOptions


class CompatForm(AudioForm):
    """Fields that older Whisper services took."""

    language: str = Field("", description="ISO 639-1 code or English name of the speech; empty: detected.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="`translate`: into English.")
    word_timestamps: bool = Field(False, description="Time every word.")
    initial_prompt: str = Field("", description="Text the recording continues, or words to expect.")
    diarize: bool = Field(False, description="Tell speakers apart; not built yet.")

    @field_validator("language")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_language(value)

    @field_validator("diarize")
    @classmethod
    def _not_yet(cls, value: bool) -> bool:
        if value:
            raise PydanticCustomError("unsupported", "telling speakers apart is not built yet; leave it out")
        return value

    def options(self, vad: VadOptions | None) -> Options:
        return Options(
            Task(self.task),
            self.language or None,
            self.initial_prompt or None,
            words=self.word_timestamps,
            vad=self.vad(vad),
        )


class CompatSegment(Reply):
    id: int = Field(ge=0, description="Counted from 0 through the whole file.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    text: str = Field(description="Without leading space.")
    words: list[TranscriptionWord] | None = Field(None, description="Null unless `word_timestamps` was set.")


class CompatTranscript(Reply):
    text: str = Field(description="The whole text.")
    language: str = Field(description="ISO 639-1 code.")
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    segments: list[CompatSegment] = Field(description="In order.")


class CompatLanguage(Reply):
    detected_language: str = Field(description="English name, lower case.")
    language_code: str = Field(description="ISO 639-1 code.")
    confidence: float = Field(ge=0, le=1, description="Its probability, 0 to 1.")


class HuggingFaceChunk(Reply):
    text: str = Field(description="Of a segment or a word.")
    timestamp: tuple[float, float] = Field(description="Start and end in seconds of the file.")


class HuggingFaceReply(Reply):
    text: str = Field(description="The whole text.")
    language: str = Field(description="ISO 639-1 code.")
    chunks: list[HuggingFaceChunk] | None = Field(None, description="Present when timestamps were asked for.")
