"""Punctuation that another text of the same words has, put into segments and their words. Pure.

A text is words and the gaps between them. Words must be the same, but for the case of letters; of the other text only
that case and the marks in the gaps are taken. White space stays, and so do marks inside of a word, as in `well-known`
and 3.5.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import regex

from endpoint.text.edits import Edit, edited
from endpoint.text.graphemes import clusters, is_spaceless
from endpoint.types import Segment

_HYPHENS = "-‐‑"
_DASHES = "–—―"
_OPENING = "([{¿¡«‹“‘„‚「『（《〈【"
_OTHERS = ".,;:!?…‥)]}»›”’」』）》〉】。，、；：？！،؛؟۔।॥։՝՜՞״׳།၊။።፣፤፥፦፧។៕"
_QUOTES = "\"'"  # that begin as well as end
MARKS = _HYPHENS + _DASHES + _OPENING + _OTHERS + _QUOTES

_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Bopomofo}\p{Yi}々〆〇ー・"
_LETTER = rf"[^\s{regex.escape(MARKS)}{_SPACELESS}]"
_INSIDE = r"(?:['’](?=\w)|(?<=\p{N})[.,:](?=\p{N}))"  # don't; 3.5; 10:30
_SIGN = r"(?:(?<=^|\s)[-.](?=\p{N}))"  # -5
_WORD = regex.compile(rf"{_SIGN}?(?:{_LETTER}{_INSIDE}?)+|[{_SPACELESS}][\p{{M}}]*")
_SPACES = regex.compile(r"\s+")
_LAST_OPENING = regex.compile(rf"[{regex.escape(_OPENING)}]+\s*$")

MOST_TIMES_LONGER = 3  # a longer text is no other punctuation of the same words
LONGEST_GAP = 20  # so much of it is looked at for opening marks
MOST_MARKS = 4  # new ones in a gap, on one side of its space
MOST_RAISED_WORDS = 0.1  # share of words that get capitals after their first letter
MOST_CAPITALIZED = 0.6  # share of words that get a capital; German writes a third of its words with one
FEW_WORDS = 10  # of fewer words, shares mean nothing
_TURKIC = frozenset({"tr", "az"})  # their I is the capital of ı, and İ that of i
_TURKIC_LOWER = str.maketrans({"I": "ı", "İ": "i"})


class WordsChanged(Exception):
    """The other text is not the same words."""


@dataclass(frozen=True)
class _Parsed:
    """words: (begin, end) of each in the text."""

    text: str
    words: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str) -> _Parsed:
        return cls(text, tuple(found.span() for found in _WORD.finditer(text)))

    def word(self, k: int) -> str:
        return self.text[slice(*self.words[k])]

    def gap(self, k: int) -> tuple[int, int]:
        """What is before word k; k may be the number of words."""
        begin = self.words[k - 1][1] if k else 0
        return begin, self.words[k][0] if k < len(self.words) else len(self.text)


@dataclass(frozen=True)
class _Sides:
    """Marks of a gap: those that end what is before it, and those that begin what is after it."""

    closing: str
    opening: str


def punctuated(segments: Sequence[Segment], text: str, language: str) -> list[Segment]:
    """The segments with the punctuation and the case of `text`, which has the words of all of them, in their order.

    Raises WordsChanged where it has not, or where it is written in capitals or full of marks.
    """
    length = sum(len(segment.text) for segment in segments)
    if len(text) > MOST_TIMES_LONGER * length + LONGEST_GAP:
        raise WordsChanged("it is much longer")
    raw, new = _Parsed.of("".join(segment.text for segment in segments)), _Parsed.of(text)
    _check_words(raw, new, language)
    ends = list(accumulate(len(segment.text) for segment in segments))
    changes = _changes(raw, new, ends)
    made, begin = list[Segment](), 0
    for segment, end in zip(segments, ends, strict=True):
        own = [Edit(one.begin - begin, one.end - begin, one.text) for one in changes if begin <= one.begin < end]
        made.append(edited(segment, own))
        begin = end
    return made


def _check_words(raw: _Parsed, new: _Parsed, language: str) -> None:
    if len(raw.words) != len(new.words):
        raise WordsChanged(f"{len(raw.words)} words became {len(new.words)}")
    count = len(raw.words)
    pairs = [(raw.word(k), new.word(k)) for k in range(count)]
    if any(_plain(old, language) != _plain(other, language) for old, other in pairs):
        raise WordsChanged("a word changed")
    raised = sum(_capitals(other[1:]) > _capitals(old[1:]) for old, other in pairs)
    begun = sum(other[0].isupper() and not old[0].isupper() for old, other in pairs)
    if count >= FEW_WORDS and (raised > MOST_RAISED_WORDS * count or begun > MOST_CAPITALIZED * count):
        raise WordsChanged("it is written in capitals")


def _plain(word: str, language: str) -> str:
    lower = word.translate(_TURKIC_LOWER) if language in _TURKIC else word
    return unicodedata.normalize("NFC", lower.lower()).replace("’", "'")


def _capitals(text: str) -> int:
    return sum(map(str.isupper, text))


def _changes(raw: _Parsed, new: _Parsed, ends: Sequence[int]) -> list[Edit]:
    """What differs, in order, each within one segment. ends: of the segments."""
    known, wanted = [_Sides("", "")], [_Sides("", "")]
    known *= len(raw.words) + 1
    wanted *= len(known)
    for k in range(len(known)):
        old, other = _sides(raw, k), _sides(new, k)
        begin, end = raw.gap(k)
        apart = any(begin <= edge < begin + len(old.closing) or end - len(old.opening) < edge <= end for edge in ends)
        if _may_change(raw, k) and not apart:
            known[k], wanted[k] = old, _fitting(raw, new, k, other)
    made = list[Edit]()
    for k, (begin, end) in enumerate(raw.words):
        if any(begin < edge < end for edge in ends):
            continue
        first, last = begin - len(known[k].opening), end + len(known[k + 1].closing)
        text = wanted[k].opening + new.word(k) + wanted[k + 1].closing
        if raw.text[first:last] != text:
            made.append(Edit(first, last, text))
    return made


def _sides(text: _Parsed, k: int) -> _Sides:
    """Of the gap before word k, beside its last space.

    An opening mark with a space after it, as in French, belongs to what follows; so do all before the first word.
    """
    gap = text.text[slice(*text.gap(k))]
    if found := _LAST_OPENING.search(gap, max(0, len(gap) - LONGEST_GAP)):
        return _Sides(gap[: found.start()].rstrip(), gap[found.start() :])
    spaces = list(_SPACES.finditer(gap))
    if not spaces:
        return _Sides(gap, "") if k else _Sides("", gap)
    return _Sides(gap[: spaces[-1].start()], gap[spaces[-1].end() :])


def _may_change(raw: _Parsed, k: int) -> bool:
    """Whether a gap is between words; inside of one its marks are the word's."""
    if k in (0, len(raw.words)) or _SPACES.search(raw.text, *raw.gap(k)):
        return True
    return is_spaceless(raw.word(k - 1)) or is_spaceless(raw.word(k))


def _fitting(raw: _Parsed, new: _Parsed, k: int, other: _Sides) -> _Sides:
    """The other text's marks for a gap whose white space stays. Raises WordsChanged where they are too many."""
    gap, old = new.text[slice(*new.gap(k))], _sides(raw, k)
    if gap and not gap.strip(_HYPHENS):  # two words written as one
        return old
    spaced, last = _SPACES.search(raw.text, *raw.gap(k)) is not None, k == len(raw.words)
    closing = _SPACES.sub(" " if spaced or last else "", other.closing).rstrip()
    if spaced and closing[:1] in set(_DASHES) and not _SPACES.search(gap):  # yes—no
        closing = f" {closing}"
    made = _Sides(closing, other.opening)
    if _marks(made.closing) > max(MOST_MARKS, _marks(old.closing)) or _marks(made.opening) > max(
        MOST_MARKS, _marks(old.opening)
    ):
        raise WordsChanged("it has too many marks")
    return made


def _marks(side: str) -> int:
    return sum(not character.isspace() for character in side)


def sentence_ends(text: str) -> bool:
    """Whether a text ends with the end of a sentence."""
    bare = text.rstrip().rstrip(_QUOTES + _OPENING + ")]}»›”’」』）》〉】")
    return bool(bare) and clusters(bare)[-1][0] in ".!?…。？！؟۔।॥։။።៕"
