"""Writes a transcript that a caller sends, corrected perhaps, as text or subtitles. An extension.

It takes the body of verbose_json, so that what the API gave can be sent back, and lays it out as any other transcript.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from endpoint.api.forms import known_language
from endpoint.api.json_body import Body, body_docs, read_json
from endpoint.api.openapi import error_responses
from endpoint.api.receive import admitted
from endpoint.api.respond import warning_header, written
from endpoint.api.state import ServerState
from endpoint.fields.layout import LayoutFields
from endpoint.options import Task
from endpoint.text.format import Rendering
from endpoint.text.speakers import turns_of
from endpoint.types import Segment, Transcript, Word
from endpoint.voices import Speakers

MOST_BYTES = 32 << 20  # of a day of speech with the times of its words
MOST_SECONDS = 10**7
_MEDIA = {name: {"schema": {"type": "string"}} for name in ("text/plain", "text/vtt")}


class _Timed(BaseModel):
    """Fields that are not named are those of verbose_json that no format here needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: float = Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False, description="Seconds from the start of the file.")
    end: float = Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False, description="Seconds from the start of the file.")

    @field_validator("end")
    @classmethod
    def _after_start(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("start", 0):
            raise PydanticCustomError("end", "must not be before start")
        return value

    @property
    def times_ms(self) -> tuple[int, int]:
        return round(self.start * 1000), round(self.end * 1000)


class RenderedSegment(_Timed):
    text: str = Field(description="With the space before it, as verbose_json has it.")
    speaker: str | None = Field(None, description="Who says it.")


class RenderedWord(_Timed):
    word: str = Field(description="As it stands in the text of its segment.")


class RenderedTranscript(BaseModel):
    """A body of verbose_json; what is left out of it changes nothing here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    language: str = Field("english", description="Of the text: an English name or a code. Layouts depend on it.")
    segments: tuple[RenderedSegment, ...] = Field(description="In order of their starts.")
    words: tuple[RenderedWord, ...] | None = Field(
        None, description="Of all segments, in order. Without, layouts guess the times of words."
    )

    @field_validator("language")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_language(value)

    @field_validator("segments")
    @classmethod
    def _in_order(cls, value: tuple[RenderedSegment, ...]) -> tuple[RenderedSegment, ...]:
        starts = [one.start for one in value]
        if starts != sorted(starts):
            raise PydanticCustomError("segments", "must be in order of their starts")
        return value

    def transcript(self) -> Transcript:
        """In the type of the core."""
        words = list(self.words or ())
        segments, last_ms = list[Segment](), 0
        for number, given in enumerate(self.segments):
            start_ms, end_ms = given.times_ms
            own = _words_of(given.text, words) if self.words is not None else None
            made = _segment(number, (start_ms, end_ms), given.text, own, self.language)
            segments.append(replace(made, speaker=given.speaker))
            last_ms = max(last_ms, end_ms)
        turns = turns_of(segments)
        speakers = Speakers(turns) if turns else None
        return Transcript(Task.TRANSCRIBE, self.language, 1.0, last_ms, tuple(segments), speakers=speakers)


class RenderRequest(LayoutFields, Body):
    """What is written, and how."""

    transcript: RenderedTranscript = Field(description="The body of verbose_json, or the parts of it named here.")
    response_format: Literal["text", "srt", "vtt"] = Field("srt", description="The format.")

    @classmethod
    def formatted_later(cls) -> bool:
        return True  # the format stands behind the fields of the layout

    def rendering(self) -> Rendering:
        return Rendering(self.response_format, paragraphs=self.paragraphs, layout=self.layout())


def render_routes(server: ServerState) -> APIRouter:
    """The route without its prefix."""
    router = APIRouter(tags=["audio"])

    @router.post(
        "/audio/transcripts/render",
        response_class=Response,
        responses={
            **error_responses(400, 401, 403, 413, 429, 503),
            200: {"content": _MEDIA, "description": "Written."},
        },
        openapi_extra={"requestBody": body_docs(RenderRequest)},
    )
    async def render(request: Request) -> Response:
        """A transcript, corrected perhaps, as text or subtitles in any layout. Nothing is recognized again."""
        async with admitted(server, request, audio=False):
            asked = await read_json(request, RenderRequest, MOST_BYTES)
            body, media_type, notices = await written(asked.transcript.transcript(), asked.rendering())
        return Response(body, media_type=media_type, headers=warning_header(media_type, notices))

    return router


def _words_of(text: str, words: list[RenderedWord]) -> tuple[Word, ...] | None:
    """Those of `words` that `text` is made of, taken from its beginning; None where they do not make up the text.

    Each gets the part of the text up to its end, so that spaces are where the text has them.
    """
    found, at = list[Word](), 0
    for word in words:
        plain = word.word.strip()
        begin = text.find(plain, at)
        if begin < 0 or text[at:begin].strip():
            break
        end = begin + len(plain)
        found.append(Word(text[at:end], *word.times_ms))
        at = end
    del words[: len(found)]
    return tuple(found) if found and not text[at:].strip() else None


def _segment(number: int, times_ms: tuple[int, int], text: str, words: Sequence[Word] | None, language: str) -> Segment:
    plain: dict[str, Any] = {"tokens": (), "seek": 0, "temperature": 0.0, "avg_logprob": 0.0, "no_speech_prob": 0.0}
    made = Segment(number, *times_ms, text, compression_ratio=1.0, language=language, **plain)
    return replace(made, words=None if words is None else tuple(words))
