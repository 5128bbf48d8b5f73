"""Hugging Face's request and response of speech recognition, used by handler.py and by the route `POST /`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError

from endpoint.errors import InvalidRequest
from endpoint.fields.decoding import Decoding
from endpoint.fields.read import flattened, read
from endpoint.fields.wording import WordingFields
from endpoint.languages import AUTO, find_language
from endpoint.options import Options, Task
from endpoint.types import Notice, Segment, Transcript, Word


class Parameters(WordingFields, Decoding):
    """The fields of `parameters`. Hugging Face's clients put some of them into `generate_kwargs`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    language: str | None = Field(
        None,
        description="ISO 639 code, English name or locale of the speech; `auto`: detected; null: as the server is set.",
    )
    task: Literal["transcribe", "translate"] = Field("transcribe", description="`translate`: into English.")
    prompt: str | None = Field(None, description="Text the recording continues, or words to expect.")
    hotwords: str | None = Field(None, description="Words that are likely to occur, such as names.")
    condition_on_previous_text: bool = Field(False, description="Give each window the text before it.")
    temperature: float = Field(
        0.0, ge=0, le=1, description="Without unit; 0: the most probable words, and up to 1.0 where those are bad."
    )
    return_timestamps: bool | Literal["word"] = Field(False, description="Times in seconds of segments, or of words.")
    _notices: tuple[Notice, ...] = PrivateAttr(())

    @classmethod
    def of(cls, given: Any, strict: bool = False) -> Parameters:
        """Check `parameters`. strict: unknown names are refused; else `warnings` of the response has them.

        Raises InvalidRequest, whose message names every wrong field.
        """
        if not isinstance(given, Mapping):
            raise InvalidRequest("`parameters` must be an object", param="parameters")
        found = read(cls, flattened(given, "generate_kwargs", "generation_parameters"), strict=strict)
        try:
            made = cls.model_validate(found.values)
        except ValidationError as error:
            wrong = {".".join(map(str, e["loc"][:1])): e["msg"] for e in error.errors()}
            message = "; ".join(f"{name}: {reason}" for name, reason in wrong.items())
            raise InvalidRequest(f"wrong parameters: {message}", param=next(iter(wrong))) from error
        made._notices = tuple(found.notices)
        return made

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The parameters that were ignored."""
        return self._notices

    def options(self) -> Options:
        auto = (self.language or "").strip().lower() == AUTO
        language = find_language(self.language) if self.language and not auto else None
        if self.language and language is None and not auto:
            raise InvalidRequest(f"{self.language!r} is no language of Whisper", param="language")
        start_ms, end_ms = self.times_ms()
        return Options(
            Task(self.task),
            language,
            self.prompt,
            self.hotwords,
            temperature=self.temperature,
            words=self.return_timestamps == "word",
            condition_on_previous_text=self.condition_on_previous_text,
            sampling=self.sampling(),
            thresholds=self.thresholds(),
            detect_language=auto,
            start_ms=start_ms,
            end_ms=end_ms,
            wording=self.wording(),
        )


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


def response_body(transcript: Transcript, parameters: Parameters) -> dict[str, Any]:
    """`text` and `language`, and `chunks` where timestamps were requested."""
    body: dict[str, Any] = {"text": transcript.text, "language": transcript.language}
    if parameters.return_timestamps:
        body["chunks"] = chunks(transcript.segments if transcript.words is None else transcript.words)
    if notices := (*parameters.notices, *transcript.notices):
        body["warnings"] = [asdict(notice) for notice in notices]
    return body
