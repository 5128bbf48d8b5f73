"""Cuts a transcript into chunks for a language model. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from endpoint.text.punctuation import sentence_ends
from endpoint.types import Segment

SENTENCE_MS = 2_000  # a cut after a sentence is as good as one in a pause that is longer by this


def chunks_of(segments: Sequence[Segment], most: int) -> Iterator[range]:
    """Indices of segments, in order, of at most `most` characters together; a longer segment is alone.

    A chunk ends in the last third of what it could hold, where the pause is longest, after a sentence if possible.
    """
    begin = 0
    while begin < len(segments):
        end, size = begin + 1, len(segments[begin].text)
        while end < len(segments) and size + len(segments[end].text) <= most:
            size += len(segments[end].text)
            end += 1
        if end < len(segments):
            first = begin + max(1, (end - begin) * 2 // 3)
            end = max(range(first, end + 1), key=lambda k: (_worth(segments[k - 1], segments[k]), k))
        yield range(begin, end)
        begin = end


def _worth(before: Segment, after: Segment) -> int:
    return after.start_ms - before.end_ms + SENTENCE_MS * sentence_ends(before.text)


def text_of(segments: Sequence[Segment]) -> str:
    """Their text on one line."""
    return " ".join("".join(segment.text for segment in segments).split())
