"""The report of an output, of all runs that made it: one HTML page that needs no other file."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from endpoint.batch.output import Output
from endpoint.bench.chart import Axis, Series, draw
from endpoint.bench.report import STYLE

MOST_BARS, MOST_POINTS, MOST_ERRORS = 12, 120, 200
LENGTHS = (10, 30, 60, 300, 900, 1_800, 3_600, 7_200)  # seconds, ends of the bars
COVERAGES = (0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
COLUMNS = ("path", "duration", "language", "coverage", "error", "error_message", "finished", "notices")


@dataclass
class Sums:
    """Of all rows, read once. hours: of sound by language. moments: seconds of sound by the second they were done."""

    files: int = 0
    seconds: float = 0.0
    covered: float = 0.0  # seconds of sound, times their coverage
    judged: float = 0.0  # seconds of sound whose coverage is known
    hours: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    lengths: Counter[int] = field(default_factory=Counter)
    coverages: Counter[int] = field(default_factory=Counter)
    moments: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    reasons: Counter[str] = field(default_factory=Counter)
    notices: int = 0
    failed: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        self.files += 1
        if row["error"] is not None:
            self.reasons[row["error"]] += 1
            if len(self.failed) < MOST_ERRORS:
                self.failed.append((row["path"], row["error"], row["error_message"]))
            return
        seconds, coverage, finished = row["duration"], row["coverage"], row["finished"]
        assert isinstance(finished, datetime)
        self.seconds += seconds
        self.hours[row["language"]] += seconds / 3600
        self.lengths[_bar(seconds, LENGTHS)] += 1
        self.moments[int(finished.timestamp())] += seconds
        self.notices += bool(row["notices"])
        if coverage is not None:
            self.coverages[_bar(coverage, COVERAGES)] += 1
            self.covered += coverage * seconds
            self.judged += seconds


def as_html(output: Output, cost: float | None, currency: str) -> str:
    """cost: of the last run."""
    sums = Sums()
    for row in output.rows(COLUMNS):
        sums.add(row)
    reasons = [(code, f"{count:,}") for code, count in sums.reasons.most_common()]
    errors = (
        "<h2>Errors</h2>" + _table(("reason", "files"), reasons) + _table(("file", "reason", "message"), sums.failed)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>endpoint batch</title><style>{STYLE}</style></head><body>
<h1>endpoint batch</h1><p>{escape(output.folder)}</p>
<div class="cards">{"".join(_cards(sums, cost, currency))}</div>
<div class="charts">{"".join(_charts(sums))}</div>
{errors if sums.reasons else ""}
</body></html>
"""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cards(sums: Sums, cost: float | None, currency: str) -> list[str]:
    cards = [(f"{sums.files:,}", "files"), (f"{sums.seconds / 3600:,.2f}", "hours of sound")]
    if sums.judged:
        cards.append((f"{sums.covered / sums.judged:.1%}", "of the speech has text"))
    if sums.moments:
        wall = max(sums.moments) - min(sums.moments) + 1
        cards.append((f"{sums.seconds / wall:,.0f}", "times real time, from the first to the last"))
    if cost is not None:
        cards.append((f"{cost:,.2f} {escape(currency)}", "the last run"))
    cards += [(f"{sums.notices:,}", "files with a notice"), (f"{sums.reasons.total():,}", "files with an error")]
    return [f'<div class="card"><b>{value}</b><span>{escape(name)}</span></div>' for value, name in cards]


def _charts(sums: Sums) -> list[str]:
    languages = sorted(sums.hours.items(), key=lambda item: -item[1])[:MOST_BARS]
    bars = [(float(k), hours) for k, (_, hours) in enumerate(languages)]
    lengths = [f"to {_length(end)}" for end in LENGTHS] + ["longer"]
    coverages = [f"to {end:.0%}" for end in COVERAGES]
    return [
        draw("Throughput", Axis("minutes"), Axis("times real time"), [Series("", _rates(sums.moments))]),
        draw("Languages", Axis("", [name for name, _ in languages]), Axis("hours"), [Series("", bars)], "bars"),
        draw("Length", Axis("", lengths), Axis("files"), [_counts(sums.lengths, len(lengths))], "bars"),
        draw("Coverage", Axis("", coverages), Axis("files"), [_counts(sums.coverages, len(coverages))], "bars"),
    ]


def _rates(moments: Mapping[int, float]) -> list[tuple[float, float]]:
    """(minute, seconds of sound a second), from the first result on; pauses between runs count."""
    if not moments:
        return []
    first, last = min(moments), max(moments)
    step = max(1, math.ceil((last - first + 1) / MOST_POINTS))
    sums = defaultdict[int, float](float)
    for moment, seconds in moments.items():
        sums[(moment - first) // step] += seconds
    return [(k * step / 60, sums[k] / step) for k in range((last - first) // step + 1)]


def _counts(counted: Counter[int], bars: int) -> Series:
    return Series("", [(float(k), float(counted[k])) for k in range(bars)] if counted else [])


def _bar(value: float, ends: tuple[float, ...]) -> int:
    return next((k for k, end in enumerate(ends) if value <= end), len(ends))


def _length(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
