"""Numbers in words to numbers in digits, by text2num. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import regex
from text_to_num import find_numbers

from endpoint.text.edits import Edit

LANGUAGES = frozenset({"de", "en", "es", "fr", "it", "nl", "pt"})
_TOKEN = regex.compile(r"[\w\p{M}]+(?:['’-][\w\p{M}]+)*|[^\w\s]")
_CENTURY, _YEAR = regex.compile(r"1[1-9]|20"), regex.compile(r"[1-9][0-9]")


class _Token:
    """What text2num asks of a token."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text.casefold()

    def nt_separated(self, previous: _Token) -> bool:
        del previous
        return False

    def not_a_number_part(self) -> bool:
        return False


def numerals(text: str, language: str) -> Iterator[Edit]:
    """Edits that write numbers in digits; none in a language that is not one of LANGUAGES.

    Single numbers below 3 stay, as they are words rather than numbers: `one of them`.
    """
    if language not in LANGUAGES:
        return
    tokens = list(_TOKEN.finditer(text))
    found = find_numbers([_Token(token.group()) for token in tokens], language)
    numbers = [Edit(tokens[one.start].start(), tokens[one.end - 1].end(), one.text) for one in found]
    yield from _years(text, numbers) if language == "en" else numbers


def _years(text: str, numbers: list[Edit]) -> Iterator[Edit]:
    """`nineteen ninety nine` is a year, not 19 and 99."""
    k = 0
    while k < len(numbers):
        first, second = numbers[k], numbers[k + 1] if k + 1 < len(numbers) else None
        between = text[first.end : second.begin] if second else "."
        if second and between.isspace() and _CENTURY.fullmatch(first.text) and _YEAR.fullmatch(second.text):
            yield Edit(first.begin, second.end, first.text + second.text)
            k += 2
        else:
            yield first
            k += 1
