"""Changes of a text that its timed words follow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from endpoint.types import Segment, Word


@dataclass(frozen=True)
class Edit:
    """The characters from `begin` up to `end` become `text`."""

    begin: int
    end: int
    text: str


def edited(segment: Segment, edits: Iterable[Edit]) -> Segment:
    """The segment with the edits, which are in order and do not overlap, made to its text and its words alike.

    Words that an edit touches become one, or one for each word that is written instead, which share their time. A word
    of which nothing is left is left out.
    """
    made = [edit for edit in edits if segment.text[edit.begin : edit.end] != edit.text]
    if not made:
        return segment
    text, at = "", 0
    for edit in made:
        text += segment.text[at : edit.begin] + edit.text
        at = edit.end
    words = None if segment.words is None else tuple(_words(segment.words, made))
    return replace(segment, text=text + segment.text[at:], words=words)


def _words(words: Sequence[Word], edits: Sequence[Edit]) -> Iterator[Word]:
    edges = [0, *accumulate(len(word.text) for word in words)]
    k, waiting = 0, list(edits)
    while k < len(words):
        last, touching = k + 1, list[Edit]()
        while waiting and waiting[0].begin < edges[last]:
            touching.append(waiting.pop(0))
            while last < len(words) and edges[last] < touching[-1].end:
                last += 1
        yield from _merged(words[k:last], edges[k], touching) if touching else words[k:last]
        k = last


def _merged(words: Sequence[Word], begin: int, edits: Sequence[Edit]) -> Iterator[Word]:
    whole = "".join(word.text for word in words)
    text, at = "", 0
    for edit in edits:
        text += whole[at : edit.begin - begin] + edit.text
        at = edit.end - begin
    text += whole[at:]
    if not text.strip():
        return
    start, length = words[0].start_ms, words[-1].end_ms - words[0].start_ms
    probability = sum(word.probability for word in words) / len(words)
    parts, done = _with_spaces(text), 0
    for part in parts:
        first = start + length * done // len(text)
        done += len(part)
        yield Word(part, first, start + length * done // len(text), probability, words[0].speaker)


def _with_spaces(text: str) -> list[str]:
    """The words of a text, each with the spaces before it, the last with those after it."""
    parts = list[str]()
    for character in text:
        if not parts or (character.isspace() and parts[-1].strip()):
            parts.append(character)
        else:
            parts[-1] += character
    if len(parts) > 1 and not parts[-1].strip():
        parts[-2:] = [parts[-2] + parts[-1]]
    return parts
