"""The segments of several channels in one order, that of time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from endpoint.types import Segment, Word


class Interleaver:
    """Segments of each channel in its order in; those of all by their start out, as soon as none can come before."""

    def __init__(self, speakers: Sequence[str]) -> None:
        """speakers: the name of each channel."""
        self._speakers = speakers
        self._waiting = [list[Segment]() for _ in speakers]
        self._reached: list[int | None] = [0] * len(speakers)  # later segments begin here or after; None: at its end
        self.segments = list[Segment]()

    def feed(self, channel: int, segments: Sequence[Segment]) -> list[Segment]:
        """The segments that are settled now, numbered, with their speakers."""
        self._waiting[channel] += segments
        if segments:
            self._reached[channel] = max(segment.start_ms for segment in segments)
        return self._settled()

    def end(self, channel: int) -> list[Segment]:
        """The channel has no more segments."""
        self._reached[channel] = None
        return self._settled()

    def _settled(self) -> list[Segment]:
        made = list[Segment]()
        while (channel := self._next()) is not None:
            segment = self._waiting[channel].pop(0)
            number = len(self.segments) + len(made)
            made.append(_spoken(segment, self._speakers[channel], number))
        self.segments += made
        return made

    def _next(self) -> int | None:
        """The channel of the earliest segment; None where an earlier one may follow."""
        starts = [(found[0].start_ms, channel) for channel, found in enumerate(self._waiting) if found]
        if not starts:
            return None
        start, channel = min(starts)
        for other, reached in enumerate(self._reached):
            if not self._waiting[other] and reached is not None and reached <= start:
                return None
        return channel


def _spoken(segment: Segment, speaker: str, number: int) -> Segment:
    words: tuple[Word, ...] | None = None
    if segment.words is not None:
        words = tuple(replace(word, speaker=speaker) for word in segment.words)
    return replace(segment, id=number, speaker=speaker, words=words)
