"""How many callers there are, second by second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """From the end of the stage before until `end` seconds from the start: `callers`, reached at `pace` a second."""

    end: float
    callers: int
    pace: float


def ramp(seconds: float, callers: int) -> list[Stage]:
    """In five steps up to `callers`: at which load does the server slow down?"""
    return [Stage(seconds * step / 5, max(1, callers * step // 5), callers) for step in range(1, 6)]


def spike(seconds: float, callers: int) -> list[Stage]:
    """A quarter of them, all at once for a third of the time, a quarter again: does it recover?"""
    few = max(1, callers // 4)
    return [Stage(seconds / 3, few, few), Stage(seconds * 2 / 3, callers, 10 * callers), Stage(seconds, few, callers)]


def soak(seconds: float, callers: int) -> list[Stage]:
    """Half of them all the time: does anything grow?"""
    return [Stage(seconds, max(1, callers // 2), callers)]


def brief(seconds: float, callers: int) -> list[Stage]:
    """All three in a row, a third of the time each."""
    stages, at = list[Stage](), 0.0
    for shape in (ramp, spike, soak):
        stages += [Stage(at + stage.end, stage.callers, stage.pace) for stage in shape(seconds / 3, callers)]
        at += seconds / 3
    return stages


SHAPES = {"ramp": ramp, "spike": spike, "soak": soak, "brief": brief}


def stage_at(stages: list[Stage], second: float) -> Stage | None:
    """None after the last."""
    return next((stage for stage in stages if second < stage.end), None)
