"""What happened when: processes as rows, jobs by state below."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field

START, READY, KILL, PAUSE, GO_ON, END, NOTE = "start", "ready", "kill", "pause", "go on", "end", "note"
WIDTH, LEFT, ROW, CURVES = 900, 150, 18, 120  # of the plot, in pixels
BARS = ((START, (KILL, END), "#c9d3da"), (PAUSE, (GO_ON, KILL, END), "#f0c9a0"))  # from, to, colour
COLOURS = {"queued": "#d9a441", "running": "#3b78b0", "ended": "#4c9a61"}


@dataclass(frozen=True)
class Mark:
    at: float
    process: str
    kind: str
    text: str = ""


@dataclass(frozen=True)
class Count:
    at: float
    queued: int
    running: int
    ended: int


@dataclass
class Timeline:
    """Times are seconds since it was made."""

    began: float = field(default_factory=time.monotonic)
    marks: list[Mark] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    def mark(self, process: str, kind: str, text: str = "") -> None:
        self.marks.append(Mark(round(self.now, 3), process, kind, text))

    def count(self, jobs: int, queued: int, running: int) -> None:
        self.counts.append(Count(round(self.now, 3), queued, running, jobs - queued - running))

    def as_dict(self) -> dict[str, object]:
        return {"marks": [asdict(mark) for mark in self.marks], "counts": [asdict(count) for count in self.counts]}

    def svg(self) -> str:
        names = list(dict.fromkeys(mark.process for mark in self.marks))
        seconds = max([1.0, *(mark.at for mark in self.marks), *(count.at for count in self.counts)])
        scale = (WIDTH - LEFT - 20) / seconds
        top = len(names) * ROW + 10
        height = top + CURVES + 30
        parts = [f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">']
        for row, name in enumerate(names):
            parts += self._row(name, row * ROW + 4, scale, seconds)
        parts += self._curves(top, scale)
        step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120) if seconds / step <= 12), 300)
        for second in range(0, int(seconds) + 1, step):
            x = LEFT + second * scale
            parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{second} s</text>')
        return "".join([*parts, "</svg>"])

    def _row(self, name: str, y: int, scale: float, seconds: float) -> list[str]:
        """Bars while it runs, others while it is paused; a cross for every kill, dots for the rest."""
        own = [mark for mark in self.marks if mark.process == name]
        parts = [f'<text x="{LEFT - 8}" y="{y + 10}" text-anchor="end">{name}</text>']
        for begin, ends, colour in BARS:
            for number, mark in enumerate(own):
                if mark.kind == begin:
                    end = next((later.at for later in own[number:] if later.kind in ends), seconds)
                    place = f'x="{LEFT + mark.at * scale:.1f}" width="{max(0.5, (end - mark.at) * scale):.1f}"'
                    parts.append(f'<rect {place} y="{y}" height="12" fill="{colour}"/>')
        for mark in own:
            x = LEFT + mark.at * scale
            if mark.kind == KILL:
                path = f"M{x - 4:.1f} {y + 2}l8 8m0 -8l-8 8"
                parts.append(f'<path d="{path}" stroke="#c0392b" stroke-width="2" fill="none"/>')
            elif mark.kind in (READY, NOTE):
                parts.append(
                    f'<circle cx="{x:.1f}" cy="{y + 6}" r="2.5" fill="#222"><title>{mark.text}</title></circle>'
                )
        return parts

    def _curves(self, top: int, scale: float) -> list[str]:
        if not self.counts:
            return []
        most = max(1, *(count.queued + count.running + count.ended for count in self.counts))
        base = top + CURVES
        below = [0] * len(self.counts)
        parts = list[str]()
        for number, (state, colour) in enumerate(reversed(COLOURS.items())):
            above = [under + getattr(count, state) for under, count in zip(below, self.counts, strict=True)]
            points = [(count.at, level) for count, level in zip(self.counts, above, strict=True)]
            points += [(count.at, level) for count, level in zip(self.counts[::-1], below[::-1], strict=True)]
            text = " ".join(f"{LEFT + at * scale:.1f},{base - level / most * CURVES:.1f}" for at, level in points)
            parts.append(f'<polygon points="{text}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{base - 8 - number * 16}" text-anchor="end" fill="{colour}">')
            parts.append(f"{state}</text>")
            below = above
        parts.append(f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{most} jobs</text>')
        return parts
