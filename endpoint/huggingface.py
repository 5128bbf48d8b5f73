"""Hugging Face's request and reply for speech recognition, as handler.py and the route `POST /` speak them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endpoint.errors import InvalidRequest
from endpoint.languages import find_language
from endpoint.options import Options, Task
from endpoint.types import Segment, Transcript, Word


class Parameters(BaseModel):
    """What `parameters` may hold. Hugging Face's clients put some of it into `generate_kwargs`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str | None = Field(None, description="Code or English name of the speech; null: detected.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="`translate`: into English.")
    prompt: str | None = Field(None, description="Text the recording continues, or words to expect.")
    temperature: float = Field(
        0.0, ge=0, le=1, description="Without unit; 0: the most probable words, and up to 1.0 where those are bad."
    )
    return_timestamps: bool | Literal["word"] = Field(False, description="Times in seconds of segments, or of words.")

    @classmethod
    def of(cls, given: Any) -> Parameters:
        """Raises InvalidRequest that names every wrong field."""
        if not isinstance(given, Mapping):
            raise InvalidRequest("`parameters` must be an object", param="parameters")
        fields = dict(given)
        for nested in ("generate_kwargs", "generation_parameters"):
            inner = fields.pop(nested, None) or {}
            if not isinstance(inner, Mapping):
                raise InvalidRequest(f"`{nested}` must be an object", param=nested)
            fields |= inner
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            wrong = {".".join(map(str, e["loc"][:1])): e["msg"] for e in error.errors()}
            message = "; ".join(f"{name}: {reason}" for name, reason in wrong.items())
            raise InvalidRequest(f"wrong parameters: {message}", param=next(iter(wrong))) from error

    def options(self) -> Options:
        language = find_language(self.language) if self.language else None
        if self.language and language is None:
            raise InvalidRequest(f"{self.language!r} is no language of Whisper", param="language")
        words = self.return_timestamps == "word"
        return Options(Task(self.task), language, self.prompt, temperature=self.temperature, words=words)


def read_inputs(data: Any) -> bytes:
    """The audio file in `inputs`: its bytes, or base64 text. Raises InvalidRequest."""
    inputs = data.get("inputs") if isinstance(data, Mapping) else None
    if isinstance(inputs, bytes | bytearray):
        return bytes(inputs)
    if not isinstance(inputs, str):
        raise InvalidRequest("`inputs` must be an audio file: its bytes, or base64 text", param="inputs")
    text = inputs.partition(";base64,")[2] if inputs.startswith("data:") else inputs
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"`inputs` is no base64 text: {error}", param="inputs") from error


def chunks(parts: Iterable[Segment | Word]) -> list[dict[str, Any]]:
    """Timed text as Hugging Face's speech recognition pipeline writes it: seconds from the file's start."""
    return [{"text": part.text, "timestamp": [part.start_ms / 1000, part.end_ms / 1000]} for part in parts]


def reply(transcript: Transcript, parameters: Parameters) -> dict[str, Any]:
    """`text` and `language`; `chunks` as well where timestamps were asked for."""
    answer: dict[str, Any] = {"text": transcript.text, "language": transcript.language}
    if parameters.return_timestamps:
        answer["chunks"] = chunks(transcript.segments if transcript.words is None else transcript.words)
    return answer
