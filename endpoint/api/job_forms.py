"""The fields of requests about jobs: the form of a submission, and what stands in the address of the others."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from endpoint.api.forms import DEFAULT_VAD, GRANULARITIES, INCLUDE, TranscriptionForm
from endpoint.call import Priority
from endpoint.errors import InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.fields.read import read
from endpoint.fields.speakers import DIARIZED, REFERENCES
from endpoint.options import Options, Postprocess, Task, VadOptions
from endpoint.text.format import Rendering, ResponseFormat
from endpoint.types import Notice, Transcript

Q = TypeVar("Q", bound=BaseModel)

MAX_METADATA_BYTES = 4096
MAX_REFERENCE_BYTES = 384 * 1024  # 12 s of 16 kHz mono, 16 bit
MOST_LISTED = 100
IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[ -~]{1,255}")


def _metadata(value: Any) -> Any:
    """The JSON object that a form has as text."""
    if not isinstance(value, str):
        return value
    if len(value.encode()) > MAX_METADATA_BYTES:
        raise PydanticCustomError("metadata", f"must be at most {MAX_METADATA_BYTES} bytes of JSON")
    try:
        parsed = json.loads(value)
        json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()  # it has to be possible to send it back
    except (ValueError, RecursionError) as error:
        raise PydanticCustomError("metadata", "must be a JSON object") from error
    return parsed


class JobForm(TranscriptionForm):
    """Fields of a job: those of a transcription or a translation, and what concerns the job."""

    response_format: ResponseFormat = Field(
        "json",
        description="The format is chosen when the result is asked for. Here only `diarized_json` has an effect: it "
        "is the same as `diarize`.",
    )
    stream: bool = Field(False, description="Only false: events of a job have a route of their own.")
    timestamp_granularities: tuple[Literal["segment", "word"], ...] = Field(
        ("segment",),
        alias=GRANULARITIES,
        description="`word`: time every word, so that results can have them. Any format of the result will do.",
    )
    include: tuple[Literal["logprobs"], ...] = Field(
        (),
        alias=INCLUDE,
        description="`logprobs`: keep the natural-log probability of every token, so that results can have them.",
    )
    task: Literal["transcribe", "translate"] = Field(
        "transcribe",
        description="`translate`: the text is written in English, without times of words and scores of tokens.",
    )
    urls: tuple[str, ...] = Field(
        (), alias="urls[]", description="Addresses of several recordings, as `url` has one; instead of `files[]`."
    )
    callback_url: str = Field(
        "",
        description="http or https address that is posted to when the job has ended, signed as Standard Webhooks "
        "defines it.",
    )
    metadata: Annotated[dict[str, Any], BeforeValidator(_metadata)] = Field(
        {}, description="A JSON object of at most 4 KiB, which the job object shows."
    )
    priority: Literal["high", "normal", "low"] = Field(
        "normal", description="Among the jobs of the same caller: jobs of a higher one go first."
    )

    @field_validator("stream")
    @classmethod
    def _text_only(cls, value: bool, info: ValidationInfo) -> bool:
        del info
        if value:
            raise PydanticCustomError("stream", "a job is not streamed; ask for its events at /events")
        return value

    @field_validator("timestamp_granularities")
    @classmethod
    def _with_verbose_json(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        del info  # the format comes later
        return value

    @field_validator("include")
    @classmethod
    def _with_json(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        del info
        return value

    @field_validator("task")
    @classmethod
    def _untimed(cls, value: str, info: ValidationInfo) -> str:
        asked = info.data.get("include") or "word" in info.data.get("timestamp_granularities", ())
        if value == Task.TRANSLATE and asked:
            raise PydanticCustomError("task", "a translation has neither times of words nor scores of tokens")
        return value

    @field_validator("url", "urls")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        for url in (value,) if isinstance(value, str) else value:
            if not _is_address(url):
                raise PydanticCustomError("url", "must begin with http:// or https:// and name a host")
        return value

    @classmethod
    def formatted_later(cls) -> bool:
        return True

    def options(self, vad: VadOptions | None = DEFAULT_VAD) -> Options:
        made = replace(super().options(vad), task=Task(self.task))
        for voice in made.speakers.known if made.speakers is not None else ():
            if len(voice.reference) > MAX_REFERENCE_BYTES:
                raise InvalidRequest(
                    f"{REFERENCES}: of a job, each must be at most {MAX_REFERENCE_BYTES} bytes, as it is kept with it. "
                    "Send 16 kHz mono: ffmpeg -i INPUT -ac 1 -ar 16000 OUTPUT.wav",
                    param=REFERENCES,
                )
        return made

    def check_vocabulary(self, known: Collection[str]) -> None:
        """Raises InvalidRequest for a name that is not among the server's `known` ones: the job would fail later."""
        for name in self.vocabulary:
            if name not in known:
                message = f"vocabulary[]: there is no set of words `{name[:64]}` on this server"
                raise InvalidRequest(message, param="vocabulary[]")

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses of recordings, in order."""
        return (*filter(None, (self.url,)), *self.urls)

    @property
    def level(self) -> Priority:
        return Priority[self.priority.upper()]


class ListQuery(BaseModel):
    """What is listed of the jobs."""

    status: Literal["queued", "running", "succeeded", "failed", "cancelled"] | None = Field(
        None, description="Only jobs of this status."
    )
    after: str | None = Field(None, max_length=100, description="Id of the last job of the page before.")
    limit: int = Field(20, ge=1, le=MOST_LISTED, description="Most jobs of a page.")
    order: Literal["asc", "desc"] = Field("desc", description="By time of submission; `desc`: the newest first.")


class EventsQuery(BaseModel):
    """From where on events are sent."""

    after: int = Field(0, ge=0, lt=2**63, description="Number of the last event that is known, as `Last-Event-ID`.")


class _Format(BaseModel):
    response_format: ResponseFormat = Field("json", description="The format; any, whatever the job was submitted with.")


class ResultQuery(LayoutFields, _Format):
    """How a result is written."""

    timestamp_granularities: tuple[Literal["segment", "word"], ...] = Field(
        (),
        alias=GRANULARITIES,
        description="What verbose_json times; absent: segments, and words if the job was submitted with `word`. `word` "
        "needs that in any case.",
    )
    include: tuple[Literal["logprobs"], ...] = Field(
        (), alias=INCLUDE, description="`logprobs`: with json, if the job was submitted with it."
    )
    file: int | None = Field(
        None, ge=0, lt=2**31, description="One file of several, counted from 0; absent: a list of all."
    )

    @field_validator("timestamp_granularities")
    @classmethod
    def _with_verbose_json(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("response_format") != "verbose_json":
            raise PydanticCustomError("granularities", "needs response_format=verbose_json")
        return value

    @field_validator("include")
    @classmethod
    def _with_json(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("response_format") != "json":
            raise PydanticCustomError("include", "needs response_format=json")
        return value

    def rendering(self, options: Options) -> Rendering:
        """options: of the job. Raises InvalidRequest where they did not ask for what is asked for now."""
        words, logprobs = "word" in self.timestamp_granularities, "logprobs" in self.include
        for wanted, there, name in ((words, options.words, GRANULARITIES), (logprobs, options.logprobs, INCLUDE)):
            if wanted and not there:
                raise InvalidRequest(f"{name}: it was not asked for when the job was submitted", param=name)
        if self.response_format == DIARIZED and options.speakers is None and not options.multichannel:
            message = "response_format: speakers were not asked for when the job was submitted"
            raise InvalidRequest(message, param="response_format")
        segments = not self.timestamp_granularities or "segment" in self.timestamp_granularities
        paragraphs = self.paragraphs or Postprocess.PARAGRAPHS in options.postprocess
        return Rendering(self.response_format, segments, logprobs, paragraphs, self.layout())

    def shown(self, transcript: Transcript) -> Transcript:
        """Without the words, where only segments are asked for."""
        asked = self.timestamp_granularities
        return replace(transcript, words=None) if asked and "word" not in asked else transcript


class VerboseQuery(ResultQuery):
    """How a result is written for clients of older services."""

    response_format: ResponseFormat = Field("verbose_json", description="The format.")


def parse_query(query: type[Q], sent: Iterable[tuple[str, str]], strict: bool = False) -> tuple[Q, tuple[Notice, ...]]:
    """The checked parameters of an address, and what was ignored of them. Empty values count as absent.

    strict: unknown names are refused. Raises InvalidRequest that names the first wrong one.
    """
    found = read(query, sent, strict=strict)
    try:
        return query.model_validate(found.values), tuple(found.notices)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = str(first["loc"][0])
        raise InvalidRequest(f"{param}: {first['msg']}", param=param) from error


def query_docs(query: type[BaseModel]) -> list[dict[str, Any]]:
    """The parameters as OpenAPI lists them."""
    rows = list[dict[str, Any]]()
    for name, field in query.model_json_schema()["properties"].items():
        schema = {key: value for key, value in field.items() if key != "description"}
        rows.append({"name": name, "in": "query", "description": field["description"], "schema": schema})
    return rows


def idempotency_key(sent: str | None) -> str | None:
    """The header's value; None without one. Raises InvalidRequest."""
    if sent and not _KEY.fullmatch(sent):
        raise InvalidRequest(
            f"{IDEMPOTENCY_KEY}: must be at most 255 printable ASCII characters", param=IDEMPOTENCY_KEY
        )
    return sent or None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
