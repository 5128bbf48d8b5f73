"""Segments to sentences and paragraphs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from endpoint.text.punctuation import sentence_ends
from endpoint.types import Segment

PAUSE_MS = 2_000  # between segments: from here on a paragraph ends


@dataclass(frozen=True)
class Paragraph:
    """Times in milliseconds of the file; text without spaces around it. speaker: of all of it, where it is known."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None = None


def sentences_of(segments: Sequence[Segment]) -> list[range]:
    """Indices of the segments, in runs that end where a sentence does, or in a pause that ends a paragraph."""
    made, begin = list[range](), 0
    for k, segment in enumerate(segments):
        last = k + 1 == len(segments)
        if last or sentence_ends(segment.text) or _times(segments[k + 1])[0] - _times(segment)[1] >= PAUSE_MS:
            made.append(range(begin, k + 1))
            begin = k + 1
    return made


def paragraphs_of(segments: Sequence[Segment], begins: Collection[int] | None = None) -> list[Paragraph]:
    """The paragraphs of all segments that have text, in order. Times of words count before those of segments.

    begins: indices of the segments that begin one; None: they end in pauses of PAUSE_MS and more.
    """
    made = list[Paragraph]()
    joined, due = "", True
    for k, segment in enumerate(segments):
        due |= begins is not None and k in begins
        if not segment.text.strip():
            continue
        start, end = _times(segment)
        if begins is None:
            due = not made or start - made[-1].end_ms >= PAUSE_MS
        if made and not due and made[-1].speaker == segment.speaker:
            joined += segment.text
            made[-1] = Paragraph(made[-1].start_ms, max(end, made[-1].end_ms), joined.strip(), segment.speaker)
        else:
            joined = segment.text
            made.append(Paragraph(start, end, joined.strip(), segment.speaker))
        due = False
    return made


def _times(segment: Segment) -> tuple[int, int]:
    if segment.words:
        return segment.words[0].start_ms, segment.words[-1].end_ms
    return segment.start_ms, segment.end_ms
