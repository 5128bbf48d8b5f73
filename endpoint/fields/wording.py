"""Fields that change the recognized text, and the part of a recording that is transcribed."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from endpoint.options import Wording

MOST_WORDS, MOST_CHARACTERS = 1000, 200
MOST_TOGETHER = 20_000  # characters: a pattern of so many takes 0.2 s to compile
LATEST = 10**7  # seconds: 115 days
_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"  # no control character, and no end of a line
_PATTERN = rf"^{_LINE}[^\s\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]{_LINE}$"
_WORD = {"type": "string", "pattern": _PATTERN, "maxLength": MOST_CHARACTERS}
_PAIRS = {
    "type": "object",
    "propertyNames": {"pattern": _PATTERN, "maxLength": MOST_CHARACTERS},
    "additionalProperties": _WORD,
    "maxProperties": MOST_WORDS,
}
_plain = re.compile(_PATTERN)


def plain_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Check words or phrases: each is one line of text. Raises PydanticCustomError."""
    if len(words) > MOST_WORDS or sum(map(len, words)) > MOST_TOGETHER:
        raise PydanticCustomError("words", f"must be at most {MOST_WORDS}, of {MOST_TOGETHER} characters together")
    for word in words:
        if len(word) > MOST_CHARACTERS or not _plain.fullmatch(word):
            message = f"each must be 1 to {MOST_CHARACTERS} characters on one line, not only spaces"
            raise PydanticCustomError("words", message)
    return words


def plain_pairs(pairs: dict[str, str]) -> dict[str, str]:
    """Check replacements. Raises PydanticCustomError."""
    plain_words(tuple(pairs))
    plain_words(tuple(dict.fromkeys(pairs.values())))
    return pairs


def _object(value: Any) -> Any:
    """The JSON object that a form has as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise PydanticCustomError("object", 'must be a JSON object such as {"acme": "ACME"}') from error


Pairs = Annotated[
    dict[str, str], BeforeValidator(_object), AfterValidator(plain_pairs), WithJsonSchema(_PAIRS, mode="validation")
]
_LISTED = {"type": "array", "items": _WORD}  # how many parts a form may have is not for this field to say
Words = Annotated[tuple[str, ...], AfterValidator(plain_words), WithJsonSchema(_LISTED, mode="validation")]


class WordingFields(BaseModel):
    """All are extensions. endpoint/text/wording.py applies them to the text, segments and words alike."""

    replacements: Pairs = Field(
        {},
        description='JSON object of words and phrases and what to write instead, such as {"acme": "ACME"}: whole '
        "words, in any case, within a segment.",
    )
    vocabulary: Words = Field((), alias="vocabulary[]", description="Names of sets of words that the server has.")
    profanity_words: Words = Field(
        (), alias="profanity_words[]", description="Words that are masked, all but their first letter, one each."
    )
    profanity_filter: bool = Field(
        False, description="Mask the server's own list of words. `profanity_words[]` are masked in any case."
    )
    numerals: bool = Field(
        False,
        description="Write numbers in digits: in Dutch, English, French, German, Italian, Portuguese and Spanish.",
    )
    filler_words: bool = Field(
        True, description="`false`: leave out words such as `uhm` where they stand alone; see docs/decisions/0026."
    )
    start: float = Field(
        0.0, ge=0, le=LATEST, description="Seconds of the recording from which it is transcribed; times do not change."
    )
    end: float | None = Field(
        None, gt=0, le=LATEST, description="Seconds of the recording up to which it is transcribed; absent: all."
    )

    @field_validator("end")
    @classmethod
    def _after_start(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and round(value * 1000) <= round(info.data.get("start", 0) * 1000):
            raise PydanticCustomError("end", "must be after start")
        return value

    def wording(self) -> Wording:
        """The fields in the type of the core."""
        return Wording(
            replacements=tuple(self.replacements.items()),
            vocabularies=self.vocabulary,
            masked=self.profanity_words,
            mask=self.profanity_filter,
            numerals=self.numerals,
            fillers=self.filler_words,
        )

    def times_ms(self) -> tuple[int, int | None]:
        """Start and end of the part that is transcribed."""
        return round(self.start * 1000), None if self.end is None else round(self.end * 1000)
