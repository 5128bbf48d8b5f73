"""The wire models, once: request fields as they are checked and documented, and replies as they are documented.

Replies are written by endpoint.text.format; tests hold them against these models. Names and types are OpenAI's.
"""

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
from endpoint.text.format import ResponseFormat
from endpoint.types import Options, Task, VadOptions

F = TypeVar("F", bound=BaseModel)

GRANULARITIES = "timestamp_granularities[]"
_UNSUPPORTED_FIELDS = frozenset({"include", "known_speaker_names", "known_speaker_references"})
_LISTS = (GRANULARITIES, "languages[]", "keywords[]")  # fields that may be repeated, with or without the brackets
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
    stream: bool = Field(False, description="Answer in events while decoding; not built yet.")

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

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        return replace(
            super().options(vad),
            task=Task.TRANSCRIBE,
            language=self.language if self.language not in ("", MULTI) else None,
            multilingual=self.language == MULTI,
            languages=self.languages,
            hotwords=", ".join(filter(None, (self.hotwords, *self.keywords))) or None,
            words="word" in self.timestamp_granularities,
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
        case "stream", "true" | "1" | "yes" | "on" | "t" | "y":
            reason = "streaming is not built yet; leave `stream` out"
        case "response_format", "diarized_json":
            reason = "telling speakers apart is not built yet; ask for `verbose_json`"
        case "beam_size", size if size != "1":
            reason = NO_BEAMS
        case _ if field in _UNSUPPORTED_FIELDS:
            reason = "this field is not supported yet; leave it out"
    if reason:
        raise InvalidRequest(f"{name}: {reason}", code="unsupported", param=name)


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DurationUsage(Reply):
    type: Literal["duration"]
    seconds: float = Field(ge=0, description="Length of the recording in seconds, rounded up.")


class InputTokens(Reply):
    audio_tokens: int = Field(ge=0, description="Encoder frames: 50 for each second given to the model.")
    text_tokens: int = Field(ge=0, description="Tokens of the prompt.")


class TokenUsage(Reply):
    type: Literal["tokens"]
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)
    input_token_details: InputTokens


class TranscriptionSegment(Reply):
    id: int = Field(ge=0, description="Counted from 0 through the whole file.")
    seek: int = Field(ge=0, description="Start of the segment's window, in frames of 10 ms.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    text: str = Field(description="With Whisper's leading space.")
    tokens: list[int] = Field(description="Token ids of the text, with its timestamps.")
    temperature: float = Field(ge=0, le=1)
    avg_logprob: float = Field(le=0, description="Mean natural-log probability of the window's tokens.")
    compression_ratio: float = Field(ge=0, description="Bytes of the text over its bytes compressed.")
    no_speech_prob: float = Field(ge=0, le=1, description="Probability that the window holds no speech.")
    language: str | None = Field(None, description="ISO 639-1 code; present where a recording has several languages.")


class TranscriptionWord(Reply):
    word: str
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")


class Uncovered(Reply):
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")


class _Covered(Reply):
    """Extensions, absent where speech was not told from the rest."""

    coverage: float | None = Field(None, ge=0, le=1, description="Share of the speech heard that has text.")
    uncovered: list[Uncovered] = Field([], description="Stretches of speech of a second and more without text.")


class Transcription(Reply):
    text: str
    usage: TokenUsage


class VerboseTranscription(_Covered):
    task: Literal["transcribe"]
    language: str = Field(description="English name of the language, in lower case.")
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    text: str
    segments: list[TranscriptionSegment] = Field([], description="Absent when only words were asked for.")
    words: list[TranscriptionWord] = Field([], description="Present when words were asked for.")
    usage: DurationUsage


class Translation(Reply):
    text: str


class VerboseTranslation(_Covered):
    language: Literal["english"]
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    text: str
    segments: list[TranscriptionSegment]


class LanguageProbability(Reply):
    language: str = Field(description="ISO 639-1 code.")
    name: str = Field(description="English name, lower case.")
    probability: float = Field(ge=0, le=1)


class DetectedLanguage(LanguageProbability):
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    languages: list[LanguageProbability] = Field(description="The likeliest five, the best first.")


class Model(Reply):
    id: str
    object: Literal["model"] = "model"
    created: int = Field(ge=0, description="Unix time in seconds; 0 if unknown.")
    owned_by: str


class ModelList(Reply):
    object: Literal["list"] = "list"
    data: list[Model]


class Status(Reply):
    status: Literal["ok"] = "ok"


class Index(Reply):
    name: Literal["whisper-endpoint"] = "whisper-endpoint"
    version: str
    docs: Literal["/docs"] = "/docs"
    openapi: Literal["/openapi.json"] = "/openapi.json"


class Version(Reply):
    version: str = Field(description="Of this server.")
    model: str = Field(description="What requests that name no model get.")
    models: list[str]
    engine: str
    engine_version: str
    device: str
    dtype: str


class ErrorDetail(Reply):
    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The field that is wrong, if it is one.")
    code: str | None = Field(description="Stable, for programs.")


class ErrorBody(Reply):
    error: ErrorDetail
