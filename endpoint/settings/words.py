"""Settings: the server's own words."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

from endpoint.fields.wording import Pairs, plain_words
from endpoint.settings.base import setting, split


class VocabularySetting(BaseModel):
    """words: that are likely to occur. replacements: as the request's field of this name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: tuple[str, ...] = ()
    replacements: Pairs = {}

    @field_validator("words")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return plain_words(value)


class WordSettings(BaseModel):
    """How recognized text is written."""

    default_replacements: Pairs = setting(
        {}, 'What to write instead of words and phrases, for every recording, as JSON: `{"acme": "ACME"}`.'
    )
    vocabularies: dict[str, VocabularySetting] = setting(
        {},
        "Sets of words for `vocabulary[]` of requests, as JSON: name to likely `words` and `replacements`.",
    )
    default_profanity_words: str = setting(
        "", "Words that `profanity_filter` masks, separated by commas; none are shipped."
    )

    @field_validator("default_profanity_words")
    @classmethod
    def _plain(cls, value: str) -> str:
        plain_words(tuple(split(value)))
        return value
