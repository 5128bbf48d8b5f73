"""Runs as a table, as JSON and as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from endpoint.bench.chart import Axis, Series, draw
from endpoint.bench.client import Outcome
from endpoint.bench.figures import Figures, Percentiles

HEADS = (
    "load", "requests", "failed", "windows/s", "audio s/s", "p50 s", "p95 s", "p99 s", "first text p50 s",
    "first text p95 s", "word errors", "server CPU s", "client CPU s", "peak MiB",
)  # fmt: skip
MOST_DOTS = 2_000  # of a chart
LATE = 0.05  # seconds; a client that sends its requests later is itself the limit

STYLE = """
:root { color-scheme: light dark; --ink: #1f2937; --soft: #6b7280; --line: #e5e7eb; --card: #fff; --page: #f8fafc }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e5e7eb; --soft: #9ca3af; --line: #374151; --card: #1f2937; --page: #111827 } }
body { margin: 0 auto; max-width: 1220px; padding: 24px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 24px; margin: 0 } p { color: var(--soft); margin: 4px 0 20px }
.cards, .charts { display: grid; gap: 16px; margin: 20px 0 }
.cards { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)) }
.charts { grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)) }
.card, svg, .table { background: var(--card); border: 1px solid var(--line); border-radius: 10px }
.card { padding: 14px 18px } .card b { display: block; font-size: 26px } .card span { color: var(--soft) }
.table { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { padding: 8px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600 } tr:last-child td { border: 0 }
th:first-child, td:first-child { text-align: left }
svg .title { font-weight: 600; font-size: 14px; fill: var(--ink) }
svg .tick { font-size: 11px; fill: var(--soft) } svg .label { font-size: 12px; fill: var(--soft) }
svg .grid { stroke: var(--line) }
"""


@dataclass(frozen=True)
class Run:
    """One run: its figures, and the outcome of every request."""

    figures: Figures
    outcomes: Sequence[Outcome]


def row(figures: Figures) -> list[str]:
    """A cell for each of HEADS, empty where there is no figure."""
    rates = f"{figures.windows_per_second:.2f}", f"{figures.audio_seconds_per_second:.1f}"
    latency, first = _cells(figures.latency), _cells(figures.first_delta)[:2]
    errors = "" if figures.wer is None else f"{figures.wer:.2%}"
    server = "" if figures.server_cpu_seconds is None else f"{figures.server_cpu_seconds:.1f}"
    memory = "" if figures.server_peak_mib is None else f"{figures.server_peak_mib:.0f}"
    counts = str(figures.requests), str(figures.failed)
    return [
        figures.load, *counts, *rates, *latency, *first, errors, server, f"{figures.client_cpu_seconds:.1f}", memory
    ]  # fmt: skip


def _cells(found: Percentiles | None) -> list[str]:
    return ["", "", ""] if found is None else [f"{value:.3f}" for value in (found.p50, found.p95, found.p99)]


def remarks(runs: Sequence[Run]) -> list[str]:
    """A line for each kind of failure of each run, and for a client that sent its requests late."""
    lines = list[str]()
    for figures in (run.figures for run in runs):
        lines += [f"{figures.load}: {kind}: {count} of {figures.requests}" for kind, count in figures.failures.items()]
        if figures.late and figures.late.p99 > LATE:
            lines.append(f"{figures.load}: requests left up to {figures.late.p99:.2f} s late: this machine is too slow")
    return lines


def as_json(runs: Sequence[Run], about: Mapping[str, Any]) -> dict[str, Any]:
    """`about` and every run, with latency and audio of each request that succeeded, in the order they were due."""
    rows = []
    for run in runs:
        done = sorted((o for o in run.outcomes if not o.failure), key=lambda outcome: outcome.intended)
        latencies = [round(outcome.latency, 4) for outcome in done]
        seconds = [round(outcome.request.recording.seconds, 3) for outcome in done]
        rows.append({**asdict(run.figures), "latencies": latencies, "audio_seconds": seconds})
    return {**about, "runs": rows}


def as_html(runs: Sequence[Run], about: Mapping[str, Any]) -> str:
    """A whole page; charts are SVG."""
    facts = " · ".join(f"{escape(str(name))}: {escape(str(value))}" for name, value in about.items() if value)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row(run.figures))}</tr>" for run in runs)
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    noted = "".join(f"<li>{escape(line)}</li>" for line in remarks(runs))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>endpoint bench</title><style>{STYLE}</style></head><body>
<h1>endpoint bench</h1><p>{facts}</p>
<div class="cards">{"".join(_cards([run.figures for run in runs]))}</div>
<div class="charts">{"".join(_charts(runs))}</div>
<div class="table"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>
{f"<h2>Remarks</h2><ul>{noted}</ul>" if noted else ""}
</body></html>
"""


def _cards(runs: Sequence[Figures]) -> list[str]:
    best = max(runs, key=lambda figures: figures.windows_per_second)
    cards = [
        (f"{best.windows_per_second:.2f}", "windows a second"),
        (f"{best.audio_seconds_per_second:.0f}", "times real time"),
    ]
    if best.latency:
        cards.append((f"{best.latency.p95:.2f} s", f"p95, {best.load}"))
    if best.wer is not None:
        cards.append((f"{best.wer:.2%}", "word errors"))
    if best.server_peak_mib is not None:
        cards.append((f"{max(run.server_peak_mib or 0 for run in runs):.0f} MiB", "most memory"))
    cards.append((str(sum(run.failed for run in runs)), f"failed of {sum(run.requests for run in runs)}"))
    return [f'<div class="card"><b>{value}</b><span>{escape(name)}</span></div>' for value, name in cards]


def _charts(runs: Sequence[Run]) -> list[str]:
    loads = Axis("load", [run.figures.load for run in runs])
    rates = [(float(k), run.figures.windows_per_second) for k, run in enumerate(runs)]
    lags = {
        name: [(float(k), getattr(run.figures.latency, name)) for k, run in enumerate(runs) if run.figures.latency]
        for name in ("p50", "p95", "p99")
    }
    return [
        draw("Throughput", loads, Axis("windows a second"), [Series("", rates)], "bars"),
        draw("Latency", loads, Axis("seconds"), [Series(name, points) for name, points in lags.items()], "bars"),
        draw("Latency, share of requests done within", Axis("seconds"), Axis("percent"), _shares(runs)),
        draw("Latency over time", Axis("second it was to be sent"), Axis("seconds"), _moments(runs), "dots"),
    ]


def _shares(runs: Sequence[Run]) -> list[Series]:
    lines = []
    for run in runs:
        lags = sorted(outcome.latency for outcome in run.outcomes if not outcome.failure)
        every = max(1, len(lags) // 100)
        points = [(lag, 100 * (k + 1) / len(lags)) for k, lag in enumerate(lags)]
        lines.append(Series(run.figures.load, [*points[:-1:every], *points[-1:]]))
    return lines


def _moments(runs: Sequence[Run]) -> list[Series]:
    lines = []
    for run in runs:
        began = min(outcome.intended for outcome in run.outcomes)
        points = [(outcome.intended - began, outcome.latency) for outcome in run.outcomes if not outcome.failure]
        lines.append(Series(run.figures.load, points[:: max(1, -(-len(points) * len(runs) // MOST_DOTS))]))
    return lines
