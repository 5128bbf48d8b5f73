"""Fields that lay the text out, for forms, addresses and the command line. Some names are openai/whisper's."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from endpoint.text.layout import Layout

MOST_SECONDS = 60
_CUES, _TEXTS = ("srt", "vtt"), ("verbose_json", "text")


class FormattedFields(BaseModel):
    """Fields that are for some formats of the response only."""

    @classmethod
    def formatted_later(cls) -> bool:
        """Whether the format is chosen after these fields."""
        return False


class LayoutFields(FormattedFields):
    """Those of subtitles need response_format=srt or vtt. What such a field does not set, `subtitle_layout` does."""

    subtitle_layout: Literal["broadcast"] | None = Field(
        None,
        description="`broadcast`: two lines of 42 characters, shown from 5/6 s to 7 s, 17 or 20 characters a second; "
        "Chinese, Japanese, Korean and Thai have numbers of their own. Only with srt and vtt. An extension.",
    )
    max_line_width: int | None = Field(
        None, ge=1, le=1000, description="Most characters of a line of subtitles. As openai/whisper's."
    )
    max_words_per_line: int | None = Field(None, ge=1, le=1000, description="Most words of a line of subtitles.")
    max_line_count: int | None = Field(
        None,
        ge=1,
        le=20,
        description="Most lines of a cue, with `max_line_width` or `max_words_per_line`; absent: as many as a segment "
        "needs. As openai/whisper's.",
    )
    max_display_seconds: float | None = Field(
        None, gt=0, le=MOST_SECONDS, description="Longest that a cue is shown, in seconds. An extension."
    )
    min_display_seconds: float | None = Field(
        None,
        ge=0,
        le=MOST_SECONDS,
        description="Shortest that a cue is shown, in seconds, unless the next one begins before. An extension.",
    )
    reading_speed: float | None = Field(
        None,
        ge=1,
        le=1000,
        description="Most characters a second that are to be read; a cue is shown so much longer, unless the next one "
        "begins before. An extension.",
    )
    highlight_words: bool = Field(
        False, description="Underline each word of subtitles while it is spoken. As openai/whisper's."
    )
    paragraphs: bool = Field(
        False,
        description="List paragraphs in verbose_json, which end in pauses of two seconds and more; in text, put blank "
        "lines between them. Only with these two. An extension.",
    )

    @field_validator(
        "subtitle_layout", "max_line_width", "max_words_per_line", "max_line_count", "max_display_seconds",
        "min_display_seconds", "reading_speed", "highlight_words",
    )  # fmt: skip
    @classmethod
    def _only_of_cues(cls, value: object, info: ValidationInfo) -> object:
        if value and info.data.get("response_format", "json") not in _CUES and not cls.formatted_later():
            raise PydanticCustomError("cues", "needs response_format=srt or vtt")
        return value

    @field_validator("paragraphs")
    @classmethod
    def _of_texts(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("response_format", "json") not in _TEXTS and not cls.formatted_later():
            raise PydanticCustomError("paragraphs", "needs response_format=verbose_json or text")
        return value

    @field_validator("max_line_count")
    @classmethod
    def _of_limited_lines(cls, value: int | None, info: ValidationInfo) -> int | None:
        given = info.data
        if value and not any(map(given.get, ("subtitle_layout", "max_line_width", "max_words_per_line"))):
            raise PydanticCustomError("lines", "needs max_line_width, max_words_per_line or subtitle_layout")
        return value

    @field_validator("min_display_seconds")
    @classmethod
    def _not_above(cls, value: float | None, info: ValidationInfo) -> float | None:
        longest = info.data.get("max_display_seconds")
        if value and longest and value > longest:
            raise PydanticCustomError("shortest", "must not be above max_display_seconds")
        return value

    def layout(self) -> Layout | None:
        """None where nothing is asked for."""
        made = Layout(
            preset=self.subtitle_layout,
            max_line_width=self.max_line_width,
            max_line_count=self.max_line_count,
            max_words_per_line=self.max_words_per_line,
            min_ms=None if self.min_display_seconds is None else round(self.min_display_seconds * 1000),
            max_ms=None if self.max_display_seconds is None else max(1, round(self.max_display_seconds * 1000)),
            speed=self.reading_speed,
            highlight=self.highlight_words,
        )
        return None if made == Layout() else made
