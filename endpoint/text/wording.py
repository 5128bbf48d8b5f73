"""The recognized text of a segment as a caller wants it written. Pure.

In this order: fillers are left out, numbers become digits, words are replaced, words are masked. Each step changes
the text and its words alike. Token ids and scores stay those of what was recognized.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import regex

from endpoint.options import Wording
from endpoint.text.edits import Edit, edited
from endpoint.text.fillers import fillers
from endpoint.text.graphemes import clusters, is_spaceless
from endpoint.text.numerals import numerals
from endpoint.types import Segment

_IN_WORD = r"[\w\p{M}]"
MASK = "*"


def worded(segment: Segment, wording: Wording, language: str) -> Segment:
    """The segment with its text changed. language: of the text, which a translation writes in English."""
    if not wording.fillers:
        segment = edited(segment, fillers(segment.text, language))
    if wording.numerals:
        segment = edited(segment, numerals(segment.text, language))
    if wording.replacements:
        segment = edited(segment, replaced(segment.text, wording.replacements))
    if wording.masked:
        segment = edited(segment, masked(segment.text, wording.masked))
    return segment


def replaced(text: str, replacements: tuple[tuple[str, str], ...]) -> Iterator[Edit]:
    """Edits for whole words and phrases, in any case. Of several that match at one place the longest counts, then the
    first; what is written is not replaced again.
    """
    finder, written = _finder(tuple(spoken for spoken, _ in replacements))
    for match in finder.finditer(text):
        yield Edit(match.start(), match.end(), replacements[written[match.lastgroup or ""]][1])


def masked(text: str, words: tuple[str, ...]) -> Iterator[Edit]:
    """Edits that leave the first letter of whole words."""
    for match in _finder(words)[0].finditer(text):
        first, *rest = clusters(match.group())
        yield Edit(match.start(), match.end(), first + "".join(" " if part.isspace() else MASK for part in rest))


@lru_cache(maxsize=64)
def _finder(phrases: tuple[str, ...]) -> tuple[Any, Mapping[str, int]]:
    """A pattern of whole phrases, and by name of its groups which phrase each is."""
    order = sorted(range(len(phrases)), key=lambda k: (-len(phrases[k]), k))
    branches = (f"(?P<p{k}>{_whole(phrases[k])})" for k in order)
    return regex.compile("|".join(branches), regex.IGNORECASE), {f"p{k}": k for k in order}


def _whole(phrase: str) -> str:
    words = phrase.split()
    inner = r"\s+".join(map(regex.escape, words))
    first, last = clusters(words[0])[0], clusters(words[-1])[-1]
    before = "" if is_spaceless(first) or not _is_letter(first) else f"(?<!{_IN_WORD})"
    after = "" if is_spaceless(last) or not _is_letter(last) else f"(?!{_IN_WORD})"
    return f"{before}{inner}{after}"


def _is_letter(cluster: str) -> bool:
    return bool(regex.match(_IN_WORD, cluster))
