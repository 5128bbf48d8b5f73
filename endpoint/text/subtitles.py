"""A transcript to cues that obey a layout. Pure, deterministic, and total: no text is left out.

Of all ways to divide the text into cues of which none breaks a limit, the one that costs least is taken: breaks cost
little after a sentence, a clause or in a pause; cues that are shown too short to be read cost much. A cue begins with
its first word and stays until it was read, at most until the next one begins: then the reader has less time, which
`too_fast` counts. A word that is wider than a line is alone in one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from endpoint.text.layout import Layout, Limits
from endpoint.text.lines import Fill, in_lines
from endpoint.text.units import End, Unit, units_of
from endpoint.types import Segment

LONG_PAUSE_MS = 3_000  # no cue lasts over such a pause, as with openai/whisper
PAUSE_MS, BREATH_MS = 1_000, 300
MOST_UNITS = 500  # of a cue, whatever its layout allows: what is tried grows with it
_CUE, _ORPHAN, _INSIDE, _CLAUSE, _BREATH, _PHRASE = 4.0, 2.0, 5.0, 2.0, 1.0, 15.0
_SHORT, _FAST = 40.0, 20.0  # shown for no time, or twice as fast as can be read
_OVER_PAUSE, _OVER_SENTENCE = 12.0, 1.5


Pair = tuple[Unit, Limits]


@dataclass(frozen=True)
class Cue:
    """lines: not empty. Times in milliseconds of the file, the end after the start. language: of its text.

    speaker: of all of it, where it is known.
    """

    start_ms: int
    end_ms: int
    lines: tuple[tuple[Unit, ...], ...]
    language: str
    too_fast: bool = False
    speaker: str | None = None


def cues_of(
    segments: Sequence[Segment], layout: Layout, language: str | None = None, *, tagged: bool = False
) -> list[Cue]:
    """The cues, in order, each of one speaker. language: of all text; None: of each segment.

    tagged: the first words of a speaker are preceded by `[SPEAKER]`. None begins before the one before it ends, unless
    several speak at once: then the cues of each speaker are laid out by themselves.
    """
    at_once = any(one.end_ms > other.start_ms for one, other in pairwise(segments) if one.speaker != other.speaker)
    if not at_once:
        return _in_a_row(units_of(segments, layout, language, tagged=tagged))
    speakers = dict.fromkeys(segment.speaker for segment in segments)
    made = list[Cue]()
    for speaker in speakers:
        own = [segment for segment in segments if segment.speaker == speaker]
        made += _in_a_row(units_of(own, layout, language, tagged=tagged))
    return sorted(made, key=lambda cue: cue.start_ms)


def _in_a_row(pairs: Sequence[Pair]) -> list[Cue]:
    edges = _edges(pairs)
    return [_cue(pairs, begin, end) for begin, end in pairwise(edges)]


def _edges(pairs: Sequence[Pair]) -> list[int]:
    """Where cues begin, and the end: the cheapest division."""
    count = len(pairs)
    best = [(0.0, 0)] + [(math.inf, 0)] * count  # cost of the first k units, and where their last cue begins
    breaks = [_break_cost(pairs, end) for end in range(1, count + 1)]
    for begin in range(count):
        sofar = best[begin][0] + _CUE
        for end, cost in _reach(pairs, begin):
            total = sofar + cost + breaks[end - 1]
            if total < best[end][0]:
                best[end] = total, begin
    edges, end = [count], count
    while end:
        end = best[end][1]
        edges.append(end)
    return edges[::-1]


def _reach(pairs: Sequence[Pair], begin: int) -> Iterator[tuple[int, float]]:
    """Where a cue that begins here may end, and what it costs, its break aside; one unit is always possible."""
    first, limits = pairs[begin]
    fill, inner, characters = Fill(limits), 0.0, first.width
    fill.add(first)
    yield begin + 1, _ORPHAN + _haste(pairs, begin, begin + 1, characters)
    before = first
    for end in range(begin + 2, min(len(pairs), begin + MOST_UNITS) + 1):
        unit = pairs[end - 1][0]
        pause = unit.start_ms - before.end_ms
        long = pause >= LONG_PAUSE_MS and limits.across
        if unit.apart or long or not fill.add(unit) or unit.end_ms - first.start_ms > limits.max_ms:
            return
        if limits.across:
            inner += _OVER_PAUSE if pause >= PAUSE_MS else _OVER_SENTENCE if before.ends is End.SENTENCE else 0
        characters += unit.width + (limits.space if unit.space else 0)
        before = unit
        yield end, inner + _haste(pairs, begin, end, characters)


def _haste(pairs: Sequence[Pair], begin: int, end: int, characters: float) -> float:
    """The cost of a cue that is shown too short."""
    limits, room = pairs[begin][1], _room(pairs, begin, end)
    cost = _SHORT * (1 - room / limits.min_ms) if room < limits.min_ms else 0.0
    needed = limits.reading_ms(characters)
    return cost + _FAST * (needed / room - 1) if needed > room else cost


def _break_cost(pairs: Sequence[Pair], end: int) -> float:
    """Of a break before the unit `end`."""
    last = pairs[end - 1][0]
    if end == len(pairs) or last.ends is End.SENTENCE:
        return 0.0
    following = pairs[end][0]
    pause = following.start_ms - last.end_ms
    if pause >= PAUSE_MS or following.apart:
        return 0.0
    if following.inside:
        return _PHRASE
    if pause >= BREATH_MS or following.begins:
        return _BREATH
    return _CLAUSE if last.ends is End.CLAUSE else _INSIDE


def _room(pairs: Sequence[Pair], begin: int, end: int) -> float:
    """The longest that a cue can be shown, in ms, at least 1."""
    first, limits = pairs[begin]
    if end == len(pairs):
        return limits.max_ms
    before_next = pairs[end][0].start_ms - first.start_ms
    return min(limits.max_ms, before_next - limits.gap_ms if before_next > limits.gap_ms else before_next)


def _cue(pairs: Sequence[Pair], begin: int, end: int) -> Cue:
    units, limits = [unit for unit, _ in pairs[begin:end]], pairs[begin][1]
    room, lines = _room(pairs, begin, end), tuple(in_lines(units, limits))
    characters = sum(unit.width for unit in units) + limits.space * sum(unit.space for unit in units[1:])
    needed = math.ceil(max(limits.reading_ms(characters), limits.min_ms))
    spoken = max(unit.end_ms for unit in units) - units[0].start_ms
    shown = int(min(max(spoken, needed), room))
    return Cue(
        units[0].start_ms, units[0].start_ms + max(1, shown), lines, limits.language, needed > room, units[0].speaker
    )
