"""The fields of requests. The same models check and document them. Names and types are OpenAI's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from endpoint.api.chunking import Chunking
from endpoint.errors import InvalidRequest
from endpoint.fields.decoding import Decoding
from endpoint.fields.layout import LayoutFields
from endpoint.fields.names import plain, unknown
from endpoint.fields.postprocess import PostprocessFields
from endpoint.fields.read import known_names, own_names, read, refuse_unknown
from endpoint.fields.speakers import DIARIZED, SpeakerFields
from endpoint.fields.wording import WordingFields
from endpoint.languages import AUTO, find_language
from endpoint.options import Options, Postprocess, Task, VadOptions
from endpoint.text.format import Rendering, ResponseFormat
from endpoint.types import Notice

F = TypeVar("F", bound="AudioForm")

GRANULARITIES = "timestamp_granularities[]"
INCLUDE = "include[]"
_STREAMED = ("json", "text", "verbose_json", DIARIZED)
MULTI = "multi"
MOST_PEAKS = 200_000  # 0.3 MiB in base64: a seventh of a second each in the longest recording
DEFAULT_VAD = VadOptions()
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "The recording: flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav, webm and most other formats. It is "
    "detected from its content; name and media type do not matter.",
}


def _add_file(schema: dict[str, Any]) -> None:
    # The file is not a field of the model, as pydantic would copy its bytes.
    schema["properties"] = {"file": _FILE, **schema["properties"]}


class AudioForm(Chunking):
    """Fields of every form with a recording."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_extra=_add_file)

    model: str = Field(
        "", description="A name of /v1/models, an alias, or a name of OpenAI's; empty: the server's default."
    )
    url: str = Field(
        "",
        description="http or https address to fetch the recording from, instead of `file`; public addresses only, "
        "unless the operator allows others. An extension.",
    )
    audio_track: int | None = Field(
        None,
        ge=0,
        lt=1000,
        description="Which sound track of the file, counted from 0; absent: the one that players choose. An extension.",
    )
    _notices: tuple[Notice, ...] = PrivateAttr(())

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The fields of the request that were ignored."""
        return self._notices


class TextForm(SpeakerFields, WordingFields, Decoding, AudioForm):
    """Fields of every form whose response is text."""

    prompt: str = Field(
        "",
        description="Text the recording continues, or words to expect; its last 223 tokens are used. `initial_prompt` "
        "is the same.",
    )
    language: str = Field(
        "",
        description="The speech's ISO 639 code, English name or locale; `auto`: detected; empty: as the server is "
        "set, else detected. `multi`: the language of each window is detected (an extension).",
    )
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

    @field_validator("language")
    @classmethod
    def _known(cls, value: str) -> str:
        plainly = value.strip().lower()
        return plainly if plainly in (MULTI, AUTO) else known_language(value)

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        """vad: the server's options, used unless the fields set others. Raises InvalidRequest."""
        start_ms, end_ms = self.times_ms()
        return Options(
            language=self.language if self.language not in ("", MULTI, AUTO) else None,
            detect_language=self.language == AUTO,
            multilingual=self.language == MULTI,
            prompt=self.prompt or None,
            hotwords=self.hotwords or None,
            temperature=self.temperature,
            condition_on_previous_text=self.condition_on_previous_text,
            vad=self.vad(vad),
            sampling=self.sampling(),
            thresholds=self.thresholds(),
            audio_track=self.audio_track,
            start_ms=start_ms,
            end_ms=end_ms,
            wording=self.wording(),
            speakers=self.speakers(self._diarized()),
            multichannel=self.multichannel,
        )

    def _diarized(self) -> bool:
        """Whether the format of the response is about speakers."""
        return bool(getattr(self, "response_format", "") == DIARIZED)


class _Formatted(TextForm):
    response_format: ResponseFormat = Field("json", description="Format of the response.")


class TranslationForm(PostprocessFields, LayoutFields, _Formatted):
    """Fields of a translation into English."""

    stream: bool = Field(
        False,
        description="Respond with server-sent events while decoding: text in order, once it is final, and the whole "
        "text at the end. Not with srt and vtt. Without `language`, it is detected in the audio decoded so far.",
    )

    peaks: int = Field(
        0,
        ge=0,
        le=MOST_PEAKS,
        description="How many values to draw the waveform with: `peaks` of verbose_json has them, bytes in base64. "
        "An extension.",
    )

    @field_validator("peaks")
    @classmethod
    def _of_verbose_json(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("response_format") != "verbose_json" and not cls.formatted_later():
            raise PydanticCustomError("peaks", "needs response_format=verbose_json")
        return value

    @field_validator("stream")
    @classmethod
    def _text_only(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("response_format", "json") not in _STREAMED:
            raise PydanticCustomError("stream", "events carry text; ask for json, text, verbose_json or diarized_json")
        if value and info.data.get("paragraphs") and info.data.get("response_format") == "text":
            raise PydanticCustomError("stream", "a stream of text has no paragraphs; ask for verbose_json")
        if value and info.data.get("postprocess"):
            raise PydanticCustomError(
                "stream", "postprocess[] works on the whole text, which a stream has sent by then"
            )
        return value

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        timed = self.layout() is not None
        return replace(
            super().options(vad), task=Task.TRANSLATE, incremental=self.stream, words=timed,
            postprocess=self.postprocess, peaks=self.peaks,
        )  # fmt: skip

    def rendering(self) -> Rendering:
        """How to write the transcript."""
        paragraphs = self.paragraphs or Postprocess.PARAGRAPHS in self.postprocess
        return Rendering(self.response_format, paragraphs=paragraphs, layout=self.layout())


class TranscriptionForm(TranslationForm):
    """Fields of a transcription."""

    languages: tuple[str, ...] = Field((), alias="languages[]", description="Languages to detect among.")
    keywords: tuple[str, ...] = Field((), alias="keywords[]", description="Words that are likely to occur, one each.")
    timestamp_granularities: tuple[Literal["segment", "word"], ...] = Field(
        ("segment",),
        alias=GRANULARITIES,
        description="Which parts have times in verbose_json, in seconds; only with verbose_json.",
    )
    include: tuple[Literal["logprobs"], ...] = Field(
        (),
        alias=INCLUDE,
        description="`logprobs`: the natural-log probability of every token of the text; only with json.",
    )

    @field_validator("languages")
    @classmethod
    def _all_known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("language", "") not in ("", AUTO):
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
            languages=self.languages,
            hotwords=", ".join(filter(None, (self.hotwords, *self.keywords))) or None,
            words="word" in self.timestamp_granularities or self.layout() is not None,
            logprobs="logprobs" in self.include,
        )

    def rendering(self) -> Rendering:
        segments = "segment" in self.timestamp_granularities
        return replace(super().rendering(), segments=segments, logprobs="logprobs" in self.include)


class DetectionForm(AudioForm):
    """Fields of a language detection."""

    languages: tuple[str, ...] = Field((), alias="languages[]", description="Languages to detect among.")

    @field_validator("languages")
    @classmethod
    def _all_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(known_language, value))

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        return Options(languages=self.languages, vad=self.vad(vad), audio_track=self.audio_track)


def known_language(value: str) -> str:
    if code := find_language(value):
        return code
    raise PydanticCustomError("language", "no language of Whisper; give a code such as `en`, or a name")


def parse_fields(
    form: type[F], fields: Iterable[tuple[str, str]], strict: bool = False, files: Sequence[str] = ()
) -> F:
    """Check form fields, which are all text, against a model. Empty values count as absent.

    strict: unknown names are refused; else the form's `notices` list them. files: names of the parts that are files
    but not recordings.
    Raises InvalidRequest, which names the first wrong field.
    """
    found = read(form, fields, strict=strict, lenient=issubclass(form, DetectionForm))
    for name in files:
        if plain(name)[0] in own_names(form).keys() | known_names():
            raise InvalidRequest(f"{name[:64]}: was sent as a file; send it as text", param=name[:64])
        notice = unknown(name, ("file", "files[]"), " for a file")
        if strict:
            refuse_unknown(notice)
        found.notices.append(notice)
    try:
        made = form.model_validate(found.values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = str(first["loc"][0])
        raise InvalidRequest(f"{param}: {first['msg']}", param=param) from error
    made._notices = tuple(found.notices)
    return made
