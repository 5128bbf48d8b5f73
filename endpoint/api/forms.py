"""The fields of requests, once: as they are checked and as they are documented. Names and types are OpenAI's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from endpoint.api.chunking import STRATEGY, Chunking, put_nested
from endpoint.config import NO_BEAMS
from endpoint.errors import InvalidRequest
from endpoint.languages import find_language
from endpoint.options import Options, Task, VadOptions
from endpoint.text.format import ResponseFormat

F = TypeVar("F", bound=BaseModel)

GRANULARITIES = "timestamp_granularities[]"
INCLUDE = "include[]"
_LISTS = (GRANULARITIES, INCLUDE, "languages[]", "keywords[]")  # may be repeated, with or without the brackets
_STREAMED = ("json", "text", "verbose_json")
_SPEAKERS = "telling speakers apart is not built into this version, and no setting turns it on; ask for `verbose_json`"
MULTI = "multi"
DEFAULT_VAD = VadOptions()
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "The recording: flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav, webm and most other formats. It is "
    "recognised by content; name and media type do not matter.",
}


def _add_file(schema: dict[str, Any]) -> None:
    # The file is no field of the model: pydantic would copy its bytes.
    schema["properties"] = {"file": _FILE, **schema["properties"]}


class AudioForm(Chunking):
    """Fields of every form that brings a recording."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_extra=_add_file)

    model: str = Field(
        "", description="A name of /v1/models, an alias, or a name of OpenAI's; empty: the server's default."
    )
    url: str = Field(
        "",
        description="http or https address to fetch the recording from, instead of `file`; public addresses only, "
        "unless the operator allows others. An extension.",
    )


class TranslationForm(AudioForm):
    """Fields of a translation into English."""

    prompt: str = Field(
        "", description="Text the recording continues, or words to expect; its last 223 tokens are used."
    )
    response_format: ResponseFormat = Field("json", description="What to answer with.")
    temperature: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Sampling temperature, without unit. 0: the most probable words, and up to 1.0 where those are "
        "bad; more than 0: as given.",
    )
    hotwords: str = Field("", description="Words that are likely to occur, such as names. An extension.")
    condition_on_previous_text: bool = Field(
        False,
        description="Give each window the text before it; slower, since windows wait for each other. An extension.",
    )
    stream: bool = Field(
        False,
        description="Answer in server-sent events while decoding: text as it is settled, in order, and all of it at "
        "the end. Not with srt and vtt. Without `language`, it is decided by what was heard so far.",
    )

    @field_validator("stream")
    @classmethod
    def _text_only(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("response_format", "json") not in _STREAMED:
            raise PydanticCustomError("stream", "events carry text; ask for json, text or verbose_json")
        return value

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        """`vad` is what the server does unless the fields say otherwise."""
        return Options(
            Task.TRANSLATE,
            prompt=self.prompt or None,
            hotwords=self.hotwords or None,
            temperature=self.temperature,
            condition_on_previous_text=self.condition_on_previous_text,
            vad=self.vad(vad),
        )

    @property
    def lists_segments(self) -> bool:
        return True


class TranscriptionForm(TranslationForm):
    """Fields of a transcription."""

    language: str = Field(
        "",
        description="ISO 639-1 code, English name or locale of the speech; empty: detected. `multi`: every window of "
        "the recording keeps the language heard in it (an extension).",
    )
    languages: tuple[str, ...] = Field((), alias="languages[]", description="Languages to detect among.")
    keywords: tuple[str, ...] = Field((), alias="keywords[]", description="Words that are likely to occur, one each.")
    timestamp_granularities: tuple[Literal["segment", "word"], ...] = Field(
        ("segment",),
        alias=GRANULARITIES,
        description="What verbose_json times, in seconds; only with verbose_json.",
    )
    include: tuple[Literal["logprobs"], ...] = Field(
        (),
        alias=INCLUDE,
        description="`logprobs`: the natural-log probability of every token of the text; only with json.",
    )

    @field_validator("language")
    @classmethod
    def _known(cls, value: str) -> str:
        return MULTI if value.strip().lower() == MULTI else known_language(value)

    @field_validator("languages")
    @classmethod
    def _all_known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("language"):
            raise PydanticCustomError("languages", "give either `language` or `languages[]`")
        return tuple(map(known_language, value))

    @field_validator("keywords")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(set(word) & set("<>\r\n") for word in value):
            raise PydanticCustomError("keywords", "a keyword is one line without < and >")
        return value

    @field_validator("timestamp_granularities")
    @classmethod
    def _with_verbose_json(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("response_format") != "verbose_json":
            raise PydanticCustomError("granularities", "needs response_format=verbose_json")
        return value

    @field_validator("include")
    @classmethod
    def _with_json(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("response_format", "json") != "json":
            raise PydanticCustomError("include", "needs response_format=json")
        return value

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        return replace(
            super().options(vad),
            task=Task.TRANSCRIBE,
            language=self.language if self.language not in ("", MULTI) else None,
            multilingual=self.language == MULTI,
            languages=self.languages,
            hotwords=", ".join(filter(None, (self.hotwords, *self.keywords))) or None,
            words="word" in self.timestamp_granularities,
            logprobs="logprobs" in self.include,
        )

    @property
    def lists_segments(self) -> bool:
        return "segment" in self.timestamp_granularities


class DetectionForm(AudioForm):
    """Fields of a language detection."""

    languages: tuple[str, ...] = Field((), alias="languages[]", description="Languages to detect among.")

    @field_validator("languages")
    @classmethod
    def _all_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(known_language, value))

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        return Options(languages=self.languages, vad=self.vad(vad))


def known_language(value: str) -> str:
    if code := find_language(value):
        return code
    raise PydanticCustomError("language", "no language of Whisper; give a code such as `en`, or a name")


def parse_fields(form: type[F], fields: Iterable[tuple[str, str]]) -> F:
    """Check form fields, all text, against a model; empty values count as absent, unknown names are ignored.

    Raises InvalidRequest that names the first wrong field.
    """
    values: dict[str, Any] = {}
    for name, value in fields:
        if not value:
            continue
        _refuse_unsupported(name, value)
        if name.startswith(f"{STRATEGY}[") and name.endswith("]"):
            put_nested(values, name, value)
        elif (listed := f"{name.removesuffix('[]')}[]") in _LISTS:
            values.setdefault(listed, []).append(value)
        elif name in values and name in form.model_fields:
            raise InvalidRequest(f"{name}: given more than once", param=name)
        else:
            values[name] = value
    try:
        return form.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = str(first["loc"][0])
        raise InvalidRequest(f"{param}: {first['msg']}", param=param) from error


def _refuse_unsupported(name: str, value: str) -> None:
    """Refuse what OpenAI's API has and this server does not have yet: ignored, it would give a wrong answer."""
    field = name.partition("[")[0]
    reason = ""
    match field, value.lower():
        case "beam_size", size if size != "1":
            reason = NO_BEAMS
        case ("response_format", "diarized_json") | ("known_speaker_names" | "known_speaker_references", _):
            reason = _SPEAKERS
    if reason:
        raise InvalidRequest(f"{name}: {reason}", code="unsupported", param=name)
