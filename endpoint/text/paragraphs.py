"""Segments to paragraphs, which end in pauses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from endpoint.types import Segment

PAUSE_MS = 2_000  # between segments: from here on a paragraph ends


@dataclass(frozen=True)
class Paragraph:
    """Times in milliseconds of the file; text without spaces around it."""

    start_ms: int
    end_ms: int
    text: str


def paragraphs_of(segments: Sequence[Segment]) -> list[Paragraph]:
    """The paragraphs of all segments that have text, in order. Times of words count before those of segments."""
    made = list[Paragraph]()
    joined = ""
    for segment in segments:
        if not segment.text.strip():
            continue
        start, end = _times(segment)
        if made and start - made[-1].end_ms < PAUSE_MS:
            joined += segment.text
            made[-1] = Paragraph(made[-1].start_ms, max(end, made[-1].end_ms), joined.strip())
        else:
            joined = segment.text
            made.append(Paragraph(start, end, joined.strip()))
    return made


def _times(segment: Segment) -> tuple[int, int]:
    if segment.words:
        return segment.words[0].start_ms, segment.words[-1].end_ms
    return segment.start_ms, segment.end_ms
