"""The units of a cue to its lines: as few as possible, of like length, broken after punctuation if it can be. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from endpoint.text.layout import Limits
from endpoint.text.units import End, Unit

_LINE, _INSIDE, _PHRASE = 1e6, 80.0, 600.0  # what a line costs, and breaks: not after punctuation, in a phrase


class Fill:
    """Lines filled one after the other: the fewest there can be. `lines`: how many are begun."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._space = limits, limits.space
        self.lines, self._width, self._words = 0, math.inf, 0

    def add(self, unit: Unit) -> bool:
        """Whether there is room for the next unit; one that is wider than a line gets a line of its own."""
        limits = self._limits
        wider = self._width + unit.width + (self._space if unit.space else 0)
        if wider <= limits.width and self._words < limits.words and self.lines:
            self._width, self._words = wider, self._words + 1
        else:
            self.lines, self._width, self._words = self.lines + 1, unit.width, 1
        return self.lines <= limits.lines


def in_lines(units: Sequence[Unit], limits: Limits) -> list[tuple[Unit, ...]]:
    """The lines of a cue, none empty; each unit once, in order."""
    fill = Fill(limits)
    for unit in units:
        fill.add(unit)
    even = sum(unit.width for unit in units) / max(1, fill.lines)
    best = [(0.0, 0)] + [(math.inf, 0)] * len(units)  # cost of the first k units, and where their last line begins
    for begin, first in enumerate(units):
        width = -(limits.space if first.space else 0)
        for end in range(begin + 1, len(units) + 1):
            unit = units[end - 1]
            width += unit.width + (limits.space if unit.space else 0)
            if end > begin + 1 and (width > limits.width or end - begin > limits.words):
                break
            cost = best[begin][0] + _LINE + (width - even) ** 2 + (_broken(unit, units[end]) if end < len(units) else 0)
            best[end] = min(best[end], (cost, begin))
    lines, end = list[tuple[Unit, ...]](), len(units)
    while end:
        begin = best[end][1]
        lines.append(tuple(units[begin:end]))
        end = begin
    return lines[::-1]


def _broken(unit: Unit, following: Unit) -> float:
    return _PHRASE if following.inside else _INSIDE if unit.ends is End.WORD else 0.0


def line_text(units: Sequence[Unit]) -> str:
    """The text of a line."""
    return "".join(f" {unit.text}" if unit.space and k else unit.text for k, unit in enumerate(units))
