"""Words to speakers, by time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from endpoint.speakers.turns import Turn

ALIKE = 0.001  # seconds: the unit of a word's times; overlaps that differ by less are equal


class Timed(Protocol):
    """A word or a segment: milliseconds from the start of the recording."""

    @property
    def start_ms(self) -> int: ...

    @property
    def end_ms(self) -> int: ...


def label_words(words: Sequence[Timed], turns: Sequence[Turn]) -> tuple[str | None, ...]:
    """The speaker of each word: whose turns overlap it longest; where nobody's do, the one of the nearest turn.

    Between equals, that of the word before. None for all where there are no turns. turns: by start.
    """
    line = _Line(turns)
    labels: list[str | None] = []
    for word in words:
        found = line.speakers(word.start_ms / 1000, word.end_ms / 1000)
        labels.append(labels[-1] if labels and labels[-1] in found else next(iter(found), None))
    return tuple(labels)


class _Line:
    """Turns on a time line, searched by time: an hour has thousands of turns and ten thousand words."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._starts = [turn.start for turn in turns]
        # The last one of those that have begun to end: turns overlap, so their own ends are in no order.
        self._latest: list[Turn] = list(accumulate(turns, _later))
        self._ends = [turn.end for turn in self._latest]

    def speakers(self, start: float, end: float) -> list[str]:
        """Those that a word from `start` to `end` may be of, all equally likely; by start of their turns."""
        first, behind = bisect_right(self._ends, start), bisect_left(self._starts, end)
        overlaps: dict[str, float] = {}
        for turn in self._turns[first:behind]:
            common = min(turn.end, end) - max(turn.start, start)
            if common > 0:
                overlaps[turn.speaker] = overlaps.get(turn.speaker, 0.0) + common
        if not overlaps:
            return self._nearest(start, end)
        most = max(overlaps.values()) - ALIKE
        return [speaker for speaker, common in overlaps.items() if common >= most]

    def _nearest(self, start: float, end: float) -> list[str]:
        """The turn before or after; for a word without length, also the one it is in."""
        behind = bisect_left(self._starts, end)
        gaps = [(start - turn.end, turn.speaker) for turn in self._latest[max(0, behind - 1) : behind]]
        gaps += [(turn.start - end, turn.speaker) for turn in self._turns[behind : behind + 1]]
        return [speaker for gap, speaker in gaps if gap <= min(gaps)[0] + ALIKE]


def _later(one: Turn, other: Turn) -> Turn:
    return other if other.end >= one.end else one
