"""What was simulated, as JSON and as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from endpoint.bench.chart import Axis, Series, draw
from endpoint.bench.figures import Percentiles, percentiles
from endpoint.bench.report import STYLE
from endpoint.capacity.simulate import Simulated

HEADS = ("engines", "p50 s", "p95 s", "p99 s", "busy", "windows at once", "engine hours", "cost", "an hour of audio")
MOST_POINTS = 200  # of a line


@dataclass(frozen=True)
class Fleet:
    """engines: how many, in words. latency: in seconds. hours: of engines that are paid for. cost: of them; audio_cost:
    of an hour of audio. holds: whether p95 is within the goal.
    """

    engines: str
    latency: Percentiles
    hours: float
    cost: float
    audio_cost: float
    busy: float
    most_windows: int
    holds: bool


def fleet(engines: str, found: Simulated, audio: float, price: float, goal: float) -> Fleet:
    """audio: seconds of the trace. price: of an engine for an hour. goal: p95 in seconds."""
    latency = percentiles(found.latencies)
    assert latency is not None  # a trace has a row
    hours = found.engine_seconds / 3600
    cost = hours * price
    return Fleet(
        engines, latency, hours, cost, cost / (audio / 3600), found.busy, found.most_windows, latency.p95 <= goal
    )


def row(one: Fleet) -> list[str]:
    """A cell for each of HEADS."""
    latency = [f"{value:.2f}" for value in (one.latency.p50, one.latency.p95, one.latency.p99)]
    costs = f"{one.hours:.2f}", f"{one.cost:.2f}", f"{one.audio_cost:.4f}"
    return [one.engines, *latency, f"{one.busy:.0%}", str(one.most_windows), *costs]


def as_json(fleets: Sequence[Fleet], about: Mapping[str, Any]) -> dict[str, Any]:
    return {**about, "fleets": [asdict(one) for one in fleets]}


def as_html(fleets: Sequence[Fleet], runs: Mapping[str, Simulated], about: Mapping[str, Any]) -> str:
    """A whole page; charts are SVG. runs: what is drawn, by name; the last one is the one that is scaled."""
    facts = " · ".join(f"{escape(str(name))}: {escape(str(value))}" for name, value in about.items())
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row(one))}</tr>" for one in fleets)
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>endpoint capacity</title><style>{STYLE}</style></head><body>
<h1>endpoint capacity</h1><p>{facts}</p>
<div class="charts">{"".join(charts(fleets, runs))}</div>
<div class="table"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>
</body></html>
"""


def charts(fleets: Sequence[Fleet], runs: Mapping[str, Simulated]) -> list[str]:
    """p95 and cost of each fleet, and over time: audio that waits, and engines."""
    names = Axis("engines", [one.engines for one in fleets])
    lags = [(float(k), one.latency.p95) for k, one in enumerate(fleets)]
    costs = [(float(k), one.cost) for k, one in enumerate(fleets)]
    queued = [Series(name, _thinned([(at.at, at.queued) for at in run.moments])) for name, run in runs.items()]
    engines = [Series(name, _thinned([(at.at, float(at.engines)) for at in run.moments])) for name, run in runs.items()]
    shares = [Series(name, _shares(run.latencies)) for name, run in runs.items()]
    return [
        draw("p95", names, Axis("seconds"), [Series("", lags)], "bars"),
        draw("Cost of the trace", names, Axis("price"), [Series("", costs)], "bars"),
        draw("Audio admitted and not done", Axis("seconds"), Axis("seconds of audio"), queued),
        draw("Engines", Axis("seconds"), Axis("engines"), engines),
        draw("Latency, share of recordings done within", Axis("seconds"), Axis("percent"), shares),
    ]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The highest of every stretch, so that no peak is lost."""
    every = -(-len(points) // MOST_POINTS)
    return [max(points[k : k + every], key=lambda point: point[1]) for k in range(0, len(points), every)]


def _shares(latencies: Sequence[float]) -> list[tuple[float, float]]:
    ordered = sorted(latencies)
    every = -(-len(ordered) // MOST_POINTS)
    points = [(lag, 100 * (k + 1) / len(ordered)) for k, lag in enumerate(ordered)]
    return [*points[:-1:every], points[-1]]
