"""OpenAI's audio API as its published description has it, written down apart from the server's own models.

Every model forbids what it does not list; what this server adds is listed as an extension. Types are strict: "8.47" is
no number. Source: the OpenAPI description of OpenAI's API, and the types of its Python client 3.52.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
MEDIA_TYPES = {
    "json": "application/json",
    "verbose_json": "application/json",
    "text": "text/plain; charset=utf-8",
    "srt": "text/plain; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "stream": "text/event-stream; charset=utf-8",
}
# Names that OpenAI's clients send; each must mean the served model.
MODELS = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
)

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]
LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
LanguageName = Annotated[str, Field(pattern=r"^[a-z][a-z ]+[a-z]$", min_length=4)]  # "english", never "en"


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Whole numbers on the wire; client 3.52 says they are floats, and makes them so.
Byte = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=255)]


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class InputTokenDetails(Wire):
    audio_tokens: Count
    text_tokens: Count


class TokenUsage(Wire):
    type: Literal["tokens"]
    input_tokens: Count
    output_tokens: Count
    total_tokens: Count
    input_token_details: InputTokenDetails

    @model_validator(mode="after")
    def _sums(self) -> TokenUsage:
        details = self.input_token_details
        assert self.input_tokens == details.audio_tokens + details.text_tokens
        assert self.total_tokens == self.input_tokens + self.output_tokens
        return self


class DurationUsage(Wire):
    type: Literal["duration"]
    seconds: Seconds


class Logprob(Wire):
    token: str
    logprob: LogProbability
    bytes: list[Byte]


class Language(Wire):
    code: LanguageCode


class Notice(Wire):
    code: Annotated[str, Field(pattern="^[a-z_]+$")]
    message: Annotated[str, Field(min_length=10)]
    param: str | None


class Warned(Wire):
    """`warnings` is an extension, absent if it is empty."""

    warnings: Annotated[list[Notice], Field(min_length=1)] | None = None


class Transcription(Warned):
    text: str
    usage: TokenUsage
    logprobs: list[Logprob] = []
    languages: list[Language] = []


class Segment(Wire):
    """All ten of OpenAI's are required."""

    id: Count
    seek: Count
    start: Seconds
    end: Seconds
    text: str
    tokens: list[Count]
    temperature: Share
    avg_logprob: LogProbability
    compression_ratio: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    no_speech_prob: Share
    language: LanguageCode | None = None  # extension: in a recording of several languages


class Word(Wire):
    word: Annotated[str, Field(pattern=r"^\S+$")]
    start: Seconds
    end: Seconds
    probability: Share  # extension

    @model_validator(mode="after")
    def _lasts(self) -> Word:
        assert self.start <= self.end
        return self


class Stretch(Wire):
    start: Seconds
    end: Seconds


class Timed(Warned):
    """The fields that verbose responses of both tasks have. `coverage` and `uncovered` are extensions."""

    duration: Seconds
    text: str
    segments: list[Segment] | None = None
    peaks: str | None = None  # extension
    coverage: Share | None = None
    uncovered: list[Stretch] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Timed:
        segments = self.segments or []
        assert [segment.id for segment in segments] == list(range(len(segments)))
        for segment in segments:
            assert segment.start <= segment.end <= self.duration
            assert segment.seek * 0.01 <= segment.start + 0.01  # in frames of 10 ms
        for before, after in pairwise(segments):
            assert before.start <= after.start
            assert before.end <= after.start + 0.02
        if self.segments is not None:
            assert "".join(segment.text for segment in segments).strip() == self.text
        return self


class VerboseTranscription(Timed):
    task: Literal["transcribe"]  # in the description's examples, not in its schema
    language: LanguageName
    words: list[Word] | None = None
    language_probability: Share  # extension
    usage: DurationUsage

    @model_validator(mode="after")
    def _agrees(self) -> VerboseTranscription:
        assert self.usage.seconds == math.ceil(self.duration)
        edges = [edge for word in self.words or [] for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert not edges or edges[-1] <= self.duration
        if self.words is not None:
            assert " ".join(word.word for word in self.words) == " ".join(self.text.split())
        return self


class Translation(Warned):
    text: str


class VerboseTranslation(Timed):
    """No task, words or usage."""

    language: Literal["english"]


class FileResult(Warned):
    """An extension: one of several files."""

    index: Count
    filename: str
    status: Annotated[int, Field(ge=200, lt=600)]
    result: Any = None
    error: Any = None


class FileResults(Warned):
    """An extension: the response to several files."""

    object: Literal["list"]
    data: Annotated[list[FileResult], Field(min_length=1)]


class Delta(Wire):
    """`start` and `end` are extensions, present with verbose_json."""

    type: Literal["transcript.text.delta"]
    delta: str
    logprobs: list[Logprob] = []
    start: Seconds | None = None
    end: Seconds | None = None


class Done(Warned):
    """The end of a stream. From `language` on, extensions, present with verbose_json."""

    type: Literal["transcript.text.done"]
    text: str
    usage: TokenUsage
    logprobs: list[Logprob] = []
    languages: list[Language] = []
    language: LanguageName | None = None
    duration: Seconds | None = None
    segments: list[Segment] | None = None
    words: list[Word] | None = None
    coverage: Share | None = None
    uncovered: list[Stretch] | None = None
    peaks: str | None = None
    language_probability: Share | None = None
    task: Literal["transcribe"] | None = None


class ErrorDetail(Wire):
    message: Annotated[str, Field(min_length=10)]
    type: Literal["invalid_request_error", "server_error"]
    param: str | None
    code: Annotated[str, Field(pattern="^[a-z_]+$")] | None


class Error(Wire):
    error: ErrorDetail


class Model(Wire):
    id: str
    object: Literal["model"]
    created: Count
    owned_by: str


class ModelList(Wire):
    object: Literal["list"]
    data: Annotated[list[Model], Field(min_length=1)]


_EVENT: TypeAdapter[Delta | Done] = TypeAdapter(Annotated[Delta | Done, Field(discriminator="type")])
_SRT = re.compile(r"(\d+)\n(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})\n(.+)\n")
_VTT = re.compile(r"()(\d\d):(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d):(\d\d)\.(\d{3})\n(.+)\n")


def check_response(form: str, response: Any, *, task: str = "transcribe", granularities: Sequence[str] = ()) -> str:
    """Check a whole response against the contract, and return its text. response: text, or parsed JSON."""
    match form, task:
        case "json", "transcribe":
            return Transcription.model_validate(response).text
        case "json", _:
            return Translation.model_validate(response).text
        case "verbose_json", "translate":
            translated = VerboseTranslation.model_validate(response)
            assert translated.segments is not None
            return translated.text
        case "verbose_json", _:
            verbose = VerboseTranscription.model_validate(response)
            assert ("segments" in response) == (not granularities or "segment" in granularities)
            assert ("words" in response) == ("word" in granularities)
            return verbose.text
        case "text", _:
            assert isinstance(response, str)
            assert response.endswith("\n")
            return response.strip()
        case _:
            return _check_cues(form, response)


def _check_cues(form: str, body: Any) -> str:
    """Check SubRip or WebVTT cue by cue, and return the text of all cues."""
    assert isinstance(body, str)
    if form == "vtt":
        assert body.startswith("WEBVTT\n\n")
        body = body.removeprefix("WEBVTT\n\n")
    texts, last = list[str](), 0
    for number, block in enumerate(body.removesuffix("\n").split("\n\n") if body else [], 1):
        cue = (_SRT if form == "srt" else _VTT).fullmatch(block + ("" if block.endswith("\n") else "\n"))
        assert cue, f"no {form} cue: {block!r}"
        assert cue[1] in ("", str(number))
        start, end = (_milliseconds(cue.groups()[k : k + 4]) for k in (1, 5))
        assert last <= start < end
        texts, last = [*texts, cue[10]], start
    return " ".join(texts)


def _milliseconds(parts: Sequence[str]) -> int:
    hours, minutes, seconds, thousandths = map(int, parts)
    assert minutes < 60
    assert seconds < 60
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def check_events(events: list[Any], *, verbose: bool = False, logprobs: bool = False) -> Done:
    """Check the events of a stream against the contract, and return the last one."""
    parsed = [_EVENT.validate_python(event) for event in events]
    *deltas, done = parsed
    assert isinstance(done, Done)
    assert all(isinstance(event, Delta) for event in deltas)
    assert "".join(event.delta for event in deltas if isinstance(event, Delta)) == done.text
    if not verbose:
        assert not set(events[-1]) - {"type", "text", "usage", "logprobs", "languages"}
    else:
        assert done.duration is not None
        assert done.language is not None
    for event, raw in zip(parsed, events, strict=True):
        assert ("logprobs" in raw) == logprobs
        text = b"".join(bytes(token.bytes) for token in event.logprobs).decode()
        if logprobs and isinstance(event, Done):
            assert text.strip() == event.text
    return done


def check_error(body: Any, code: str, param: str | None) -> str:
    """Check an error body against the contract, and return its message."""
    error = Error.model_validate(body).error
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (error.code, error.param) == (code, param)
    return error.message
