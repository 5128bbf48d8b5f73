"""Small charts as SVG text: lines, dots and bars over linear axes. They need no other file and no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 54, 44  # room for title, legend and labels
COLOURS = ("#2563eb", "#d97706", "#dc2626", "#059669", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
TICKS = 5

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """points: (x, y), in the order they are joined."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Axis:
    """names: labels under 0, 1, 2 ... instead of numbers."""

    label: str
    names: Sequence[str] = ()


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to `most` or a little more; most > 0."""
    rough = most / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [k * step for k in range(math.ceil(most / step * 0.999) + 1)]


def draw(
    title: str, x: Axis, y: Axis, series: Sequence[Series], kind: Literal["lines", "dots", "bars"] = "lines"
) -> str:
    """An <svg> element; "" where there is nothing to draw. Numbers are finite and not negative."""
    points = [point for line in series for point in line.points]
    if not points:
        return ""
    frame = _Frame(x, max(at for at, _ in points) or 1, max(value for _, value in points) or 1)
    marks = {"lines": _lines, "dots": _dots, "bars": _bars}[kind](frame, series)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    parts += [f'<text class="title" x="14" y="20">{escape(title)}</text>', *frame.axes(y), *marks]
    if len(series) > 1:
        parts += _legend(series)
    return "\n".join([*parts, "</svg>"])


class _Frame:
    """From values to coordinates in the picture."""

    def __init__(self, x: Axis, most_x: float, most_y: float) -> None:
        self.x, self.y_ticks = x, ticks(most_y)
        self.x_ticks = [float(k) for k in range(len(x.names))] if x.names else ticks(most_x)

    def across(self, value: float) -> float:
        width = WIDTH - LEFT - RIGHT
        if self.x.names:
            return LEFT + (value + 0.5) / len(self.x.names) * width
        return LEFT + value / self.x_ticks[-1] * width

    def down(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.y_ticks[-1] * (HEIGHT - TOP - BOTTOM)

    def axes(self, y: Axis) -> list[str]:
        parts = []
        for value in self.y_ticks:
            place = self.down(value)
            parts.append(f'<line class="grid" x1="{LEFT}" y1="{place:.1f}" x2="{WIDTH - RIGHT}" y2="{place:.1f}"/>')
            parts.append(f'<text class="tick" x="{LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{value:g}</text>')
        names = self.x.names or [f"{value:g}" for value in self.x_ticks]
        for value, name in zip(self.x_ticks, names, strict=True):
            place = self.across(value)
            parts.append(
                f'<text class="tick" x="{place:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                f"{escape(name)}</text>"
            )
        middle, height = LEFT + (WIDTH - LEFT - RIGHT) / 2, TOP + (HEIGHT - TOP - BOTTOM) / 2
        for text, where in (
            (self.x.label, f'x="{middle}" y="{HEIGHT - 8}"'),
            (y.label, f'x="14" y="{height}" transform="rotate(-90 14 {height})"'),
        ):
            parts.append(f'<text class="label" {where} text-anchor="middle">{escape(text)}</text>')
        return parts


def _lines(frame: _Frame, series: Sequence[Series]) -> list[str]:
    parts = []
    for number, line in enumerate(series):
        colour = _colour(number)
        path = " ".join(f"{frame.across(x):.1f},{frame.down(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(line.points) <= 20:
            parts += [_dot(frame, point, colour, 3.5) for point in line.points]
    return parts


def _dots(frame: _Frame, series: Sequence[Series]) -> list[str]:
    return [_dot(frame, point, _colour(number), 2) for number, line in enumerate(series) for point in line.points]


def _bars(frame: _Frame, series: Sequence[Series]) -> list[str]:
    group = (WIDTH - LEFT - RIGHT) / max(1, len(frame.x.names)) * 0.7
    width, parts = min(60, group / len(series)), []
    for number, line in enumerate(series):
        for x, y in line.points:
            left, top = frame.across(x) + (number - len(series) / 2) * width, frame.down(y)
            size = f'width="{width:.1f}" height="{HEIGHT - BOTTOM - top:.1f}"'
            parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" {size} rx="2" fill="{_colour(number)}"/>')
            parts.append(
                f'<text class="tick" x="{left + width / 2:.1f}" y="{top - 4:.1f}" text-anchor="middle">{y:.3g}</text>'
            )
    return parts


def _dot(frame: _Frame, point: Point, colour: str, radius: float) -> str:
    across, down = frame.across(point[0]), frame.down(point[1])
    return f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{radius}" fill="{colour}" fill-opacity="0.75"/>'


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _legend(series: Sequence[Series]) -> list[str]:
    parts, left = [], float(LEFT)
    for number, line in enumerate(series):
        parts.append(f'<rect x="{left:.1f}" y="30" width="8" height="8" rx="2" fill="{_colour(number)}"/>')
        parts.append(f'<text class="tick" x="{left + 12:.1f}" y="38">{escape(line.name)}</text>')
        left += 26 + 6.2 * len(line.name)
    return parts
