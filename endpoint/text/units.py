"""Segments to units: the parts of text between which subtitles may be broken, with their times. Pure.

Where words are written with spaces, a unit is a word with its punctuation. Where they are not, it is a recognized word;
one that is wider than a line, and text whose words were not timed, is cut between grapheme clusters. Units that begin
inside a phrase are known by its model, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import accumulate

import regex

from endpoint.text.graphemes import breakable, clusters, is_spaceless, may_break
from endpoint.text.layout import Layout, Limits
from endpoint.text.phrases import phrase_starts
from endpoint.types import Segment, Word

_CLOSED = r"[\p{Pe}\p{Pf}\"']*$"
_SENTENCE_END = regex.compile(r"[.!?…。！？｡؟۔।॥։።]" + _CLOSED)
_CLAUSE_END = regex.compile(r"[,;:،؛、，；：—–]" + _CLOSED)


class End(IntEnum):
    """What ends with a unit, by its punctuation."""

    WORD = 0
    CLAUSE = 1
    SENTENCE = 2


@dataclass(frozen=True)
class Unit:
    """text: without spaces around it. space: whether one comes before it, except at the beginning of a line.

    width: in characters, as the language's rules count them. ends: what ends with it. begins: it is the first of a
    segment. inside: it begins inside a phrase, where no line should end. apart: no cue has both it and the one before.
    speaker: who says it, where it is known. tag: what stands before the text in its line and is never highlighted.
    """

    text: str
    start_ms: int
    end_ms: int
    space: bool
    width: float
    ends: End = End.WORD
    begins: bool = False
    inside: bool = False
    apart: bool = False
    speaker: str | None = None
    tag: str = ""


@dataclass(frozen=True)
class _Token:
    text: str
    start_ms: int
    end_ms: int
    space: bool


def units_of(
    segments: Sequence[Segment], layout: Layout, language: str | None = None, *, tagged: bool = False
) -> list[tuple[Unit, Limits]]:
    """The units of all segments, in order, with the limits of their language. Starts rise by a millisecond at least.

    language: of all text; None: of each segment. tagged: where the speaker changes, the first unit is tagged with it.
    """
    made = list[tuple[Unit, Limits]]()
    for segment in segments:
        limits = layout.limits(language or segment.language)
        found = _phrased(_joined(_tokens(segment), limits), limits.language)
        if not found:
            continue
        found = [replace(unit, speaker=segment.speaker) for unit in found]
        first, before = found[0], made[-1] if made else None
        changes = segment.speaker != (before[0].speaker if before else None)
        if before:
            bare = is_spaceless(clusters(before[0].text)[-1]) or is_spaceless(clusters(first.text)[0])
            apart = changes or not limits.across or (before[1] is not limits and before[1] != limits)
            first = replace(first, space=first.space or not bare, apart=apart)
        if tagged and changes and segment.speaker is not None:
            first = _tagged(first, segment.speaker, limits)
        made += ((unit, limits) for unit in (replace(first, begins=True), *found[1:]))
    return list(_rising(made))


def _tagged(unit: Unit, speaker: str, limits: Limits) -> Unit:
    tag = f"[{speaker}] "
    return replace(unit, tag=tag, width=unit.width + limits.measure(tag))


def _tokens(segment: Segment) -> Iterator[_Token]:
    """Text without spaces, with its time; from the words where they were timed."""
    words = segment.words or (Word(segment.text, segment.start_ms, segment.end_ms),)
    space = False
    for word in words:
        space = space or word.text[:1].isspace()
        parts = word.text.replace("\0", "").split()
        if segment.words is None:
            parts = [part for text in parts for part in _marked(breakable(text))]
        for part, start, end in _shared(parts, word.start_ms, word.end_ms):
            yield _Token(part.lstrip("\0"), start, end, space and not part.startswith("\0"))
            space = True
        if parts:
            space = word.text[-1:].isspace()


def _marked(parts: list[str]) -> list[str]:
    """All but the first are marked: they come without a space."""
    return [part if not k else f"\0{part}" for k, part in enumerate(parts)]


def _shared(parts: Sequence[str], start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """A time divided among texts by their length."""
    total = sum(map(len, parts)) or 1
    at = 0
    for part in parts:
        begin = start + (end - start) * at // total
        at += len(part)
        yield part, begin, start + (end - start) * at // total


def _joined(tokens: Iterable[_Token], limits: Limits) -> list[Unit]:
    """Tokens between which no line may end become one unit; those too wide for a line are cut where that is allowed."""
    groups = list[_Token]()
    for token in tokens:
        last = groups[-1] if groups else None
        if last and not token.space and not may_break(clusters(last.text)[-1], clusters(token.text)[0]):
            groups[-1] = replace(last, text=last.text + token.text, end_ms=max(last.end_ms, token.end_ms))
        else:
            groups.append(token)
    return [unit for token in groups for unit in _fitting(token, limits)]


def _fitting(token: _Token, limits: Limits) -> Iterator[Unit]:
    measured = limits.measure(token.text)
    parts = [token.text] if measured <= limits.width else breakable(token.text)
    for k, (part, start, end) in enumerate(_shared(parts, token.start_ms, token.end_ms)):
        size = measured if len(parts) == 1 else limits.measure(part)
        yield Unit(part, start, end, token.space and not k, size, _end(part))


def _end(text: str) -> End:
    if text[-1].isalnum():
        return End.WORD
    return End.SENTENCE if _SENTENCE_END.search(text) else End.CLAUSE if _CLAUSE_END.search(text) else End.WORD


def _phrased(units: Sequence[Unit], language: str) -> list[Unit]:
    """The units, with those marked that begin inside a phrase."""
    spaced = [f" {unit.text}" if unit.space else unit.text for unit in units]
    starts = phrase_starts("".join(spaced), language)
    if starts is None:
        return list(units)
    at = [0, *accumulate(map(len, spaced))]
    return [
        replace(unit, inside=not unit.space and begin not in starts) for unit, begin in zip(units, at, strict=False)
    ]


def _rising(units: Iterable[tuple[Unit, Limits]]) -> Iterator[tuple[Unit, Limits]]:
    at = -1
    for unit, limits in units:
        at = max(at + 1, unit.start_ms)
        yield replace(unit, start_ms=at, end_ms=max(unit.end_ms, at + 1)), limits
