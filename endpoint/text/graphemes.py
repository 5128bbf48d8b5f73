"""Characters as readers see them: grapheme clusters, their width, and where text without spaces may be broken. Pure.

Clusters are those of Unicode's annex 29, widths those of annex 11, the characters that begin or end no line those that
annex 14 forbids there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import regex

# Scripts that put no space between words, and marks that are written with them.
_SPACELESS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Bopomofo}\p{Yi}々〆〇ー・\uff65-\uff9f\u0f0b"
    r"\u3000-\u303f\uff01-\uff0f\uff1a-\uff1f]"
)
_NO_START = regex.compile(
    r"[\p{Pe}\p{Pf}!%,.:;?‐–—…‥、。〜・ー々ゝゞヽヾ！％），．：；？］｝～｡｣､･ｰ\u0f0b"
    r"ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶๆ\u0e2f\u0e30\u0e32\u0e33\u0e45\u0eaf\u0eb0\u0eb2\u0eb3ໆឳៗ។៕၊။°’”\"']"
)
_NO_END = regex.compile(
    r"[\p{Ps}\p{Pi}#$¥£€＄￥￡‘“（［｛｟「『【〈《\u0e40-\u0e44\u0ec0-\u0ec4]"
)  # and vowels before their consonant
_CLUSTER = regex.compile(r"\X")
_UNSEEN = regex.compile(r"[\p{Cf}\p{Cc}\p{M}]*")
_WIDE = frozenset("WF")
RIGHT_TO_LEFT = frozenset({"ar", "he", "fa", "ur", "yi", "ps", "sd"})
RIGHT_TO_LEFT_MARK = "\u200f"


def clusters(text: str) -> list[str]:
    """The text in grapheme clusters; joined, they are the text."""
    return list(_CLUSTER.findall(text))


def width(text: str, wide: float = 2.0, narrow: float = 1.0) -> float:
    """Sum of the clusters' widths: `wide` for wide and full-width ones, `narrow` for others, 0 for unseen ones."""
    if text.isascii() and text.isprintable():
        return narrow * len(text)
    return sum(
        0.0 if _UNSEEN.fullmatch(cluster) else wide if _is_wide(cluster) else narrow for cluster in clusters(text)
    )


def _is_wide(cluster: str) -> bool:
    return any(unicodedata.east_asian_width(character) in _WIDE for character in cluster)


def is_spaceless(cluster: str) -> bool:
    """Whether a cluster is of a script that is written without spaces between words."""
    return bool(_SPACELESS.match(cluster))


def may_break(before: str, after: str) -> bool:
    """Whether a line may end between two clusters that no space parts."""
    if not (is_spaceless(before) or is_spaceless(after)):
        return False
    return not _NO_START.match(after) and not _NO_END.match(before)


def breakable(text: str) -> list[str]:
    """Text without spaces, cut wherever a line may end; joined, the parts are the text."""
    return _parts(clusters(text))


def _parts(found: Sequence[str]) -> list[str]:
    parts = list[str]()
    for k, cluster in enumerate(found):
        if k and not may_break(found[k - 1], cluster):
            parts[-1] += cluster
        else:
            parts.append(cluster)
    return parts


def directed(line: str, language: str) -> str:
    """The line, with a mark before it where a player would take it for left-to-right text and it is not."""
    if language not in RIGHT_TO_LEFT:
        return line
    strong = next((kind for kind in map(unicodedata.bidirectional, line) if kind in ("L", "R", "AL")), "L")
    return RIGHT_TO_LEFT_MARK + line if strong == "L" else line
