"""What was measured: tables, ratios beside what was to be reached, and a page with bars."""

from __future__ import annotations

import html
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.compare.cases import Case
from benchmarks.compare.contenders import FASTER, INT8, OURS, STOCK, Row
from benchmarks.human import scores
from benchmarks.human.clips import Clip

WANTED = {STOCK: 2.0, FASTER: 2.0}  # times as fast
SEARCHING = {FASTER: 1.0}  # likewise, of beams
BEAM, DEAREST = 5, 2.5  # a search of so many beams takes at most so many times the time of greedy decoding
SLACK = 0.3  # points of word errors: no speed is bought with errors
Results = Mapping[str, Mapping[str, Sequence[Row]]]  # case -> contender -> a row for each round
Check = tuple[str, str, str, bool]  # what, measured, wanted, met
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;color:#222}
.bar{display:flex;align-items:center;gap:.6rem;margin:.2rem 0}.bar span:first-child{width:14rem}
.bar i{display:block;height:1.1rem;background:#9ab}.bar i.ours{background:#06653a}"""


def speeds(found: Mapping[str, Sequence[Row]], lengths: float) -> dict[str, list[float]]:
    """Seconds of sound a second, by contender, of each round. lengths: seconds of all recordings of the case."""
    return {who: [lengths / row.seconds for row in rows] for who, rows in found.items()}


def ratios(found: Mapping[str, Sequence[Row]], other: str) -> list[float]:
    """How many times as fast this endpoint was as `other`, in each round."""
    return [theirs.seconds / ours.seconds for ours, theirs in zip(found[OURS], found[other], strict=True)]


def word_errors(rows: Sequence[Row], clips: Sequence[Clip]) -> float:
    """Per cent, the mean over the rounds."""
    return statistics.mean(scores.rate(scores.errors(clips, row.texts)) for row in rows)


def print_rows(
    console: Console, cases: Sequence[Case], results: Results, clips: Mapping[str, Sequence[Clip]], seconds: Any
) -> None:
    heads = "audio s/s", "of each round", "per CPU s", "word errors", "p50 s", "p95 s", "failed"
    table = Table(title="whisper-base on human speech, over HTTP; medians over the rounds")
    for head in ("work", "who", *heads):
        table.add_column(head, justify="right" if head in heads else "left")
    for case in cases:
        found, length = results[case.name], seconds[case.name]
        for who, each in speeds(found, length).items():
            rows = found[who]
            lags = [lag for row in rows for lag in row.latencies]
            table.add_row(
                case.name,
                who,
                f"{statistics.median(each):.2f}",
                " ".join(f"{speed:.2f}" for speed in each),
                f"{statistics.median(length / row.cpu for row in rows):.2f}",
                f"{word_errors(rows, clips[case.name]):.2f} %",
                f"{np.percentile(lags, 50):.1f}",
                f"{np.percentile(lags, 95):.1f}",
                str(sum(row.failures for row in rows)),
            )
        table.add_section()
    console.print(table)


def checks(cases: Sequence[Case], results: Results, clips: Mapping[str, Sequence[Clip]]) -> list[Check]:
    """A line for each ratio; whoever is not there is not judged."""
    lines = list[Check]()
    for case in cases:
        found = results.get(case.name, {})
        if OURS not in found:
            continue
        for other in (STOCK, FASTER, INT8):
            if other not in found:
                continue
            each, wanted = ratios(found, other), (WANTED if case.beam == 1 else SEARCHING).get(other)
            measured = f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
            met = wanted is None or statistics.median(each) >= wanted
            lines.append((f"times as fast as {other}, {case.name}", measured, f"{wanted or 'shown'}", met))
        mine = word_errors(found[OURS], clips[case.name])
        best = min((word_errors(rows, clips[case.name]) for who, rows in found.items() if who != OURS), default=mine)
        wanted_errors = f"at most {best + SLACK:.2f} %"
        lines.append((f"word errors, {case.name}", f"{mine:.2f} %", wanted_errors, mine <= best + SLACK))
        lost = sum(row.failures for row in found[OURS])
        lines.append((f"requests that failed, {case.name}", str(lost), "0", not lost))
    return lines + dear(cases, results)


def dear(cases: Sequence[Case], results: Results) -> list[Check]:
    """What a search costs beside greedy decoding of the same clips."""
    lines = list[Check]()
    for case in cases:
        greedy = [one for one in cases if one.beam == 1 and (one.at_once, one.count) == (case.at_once, case.count)]
        if case.beam == 1 or not greedy or OURS not in results.get(case.name, {}):
            continue
        pairs = zip(results[case.name][OURS], results[greedy[0].name][OURS], strict=True)
        cost = statistics.median(wide.seconds / plain.seconds for wide, plain in pairs)
        wanted = DEAREST if case.beam == BEAM else None
        met = wanted is None or cost <= wanted
        lines.append((f"times as long as greedy, {case.name}", f"{cost:.2f}", f"{wanted or 'shown'}", met))
    return lines


def print_checks(console: Console, lines: Sequence[Check]) -> None:
    table = Table(title="what was to be reached")
    for column in ("what", "measured", "wanted", ""):
        table.add_column(column)
    for what, measured, wanted, met in lines:
        table.add_row(what, measured, wanted, "yes" if met else "NO")
    console.print(table)


def page(
    cases: Sequence[Case],
    results: Results,
    seconds: Mapping[str, float],
    about: str,
    clips: Mapping[str, Sequence[Clip]],
) -> str:
    """Bars of audio seconds a second; for searches also a plot of speed against errors."""
    parts = [f"<!doctype html><meta charset=utf-8><title>Speed</title><style>{STYLE}</style><h1>Speed</h1>"]
    parts.append(f"<p>whisper-base on human speech, over HTTP; seconds of sound a second. {html.escape(about)}")
    for case in cases:
        found = {who: statistics.median(each) for who, each in speeds(results[case.name], seconds[case.name]).items()}
        most = max(found.values())
        parts.append(f"<h2>{html.escape(case.name)}</h2>")
        parts += [
            f"<div class=bar><span>{html.escape(who)}</span><i{' class=ours' if who == OURS else ''} "
            f"style='width:{30 * speed / most:.1f}rem'></i><b>{speed:.2f}</b></div>"
            for who, speed in found.items()
        ]
    if any(case.beam > 1 for case in cases):
        parts.append(plot(cases, results, seconds, clips))
    return "".join(parts)


def plot(
    cases: Sequence[Case], results: Results, seconds: Mapping[str, float], clips: Mapping[str, Sequence[Clip]]
) -> str:
    """SVG: a dot for each contender and beam size, further right where faster, lower where right."""
    dots = [
        (who, case.beam, statistics.median(each), word_errors(results[case.name][who], clips[case.name]))
        for case in cases
        for who, each in speeds(results[case.name], seconds[case.name]).items()
        if case.at_once == cases[0].at_once
    ]
    fast, wrong = max(dot[2] for dot in dots), [dot[3] for dot in dots]
    low, high = min(wrong) - 0.5, max(wrong) + 0.5
    marks = []
    for who, beam, speed, errors in dots:
        x, y = 60 + 600 * speed / fast, 20 + 280 * (high - errors) / (high - low)
        marks.append(
            f"<circle cx={x:.0f} cy={y:.0f} r=6 fill='{'#06653a' if who == OURS else '#9ab'}'/>"
            f"<text x={x + 9:.0f} y={y + 4:.0f}>{html.escape(who)}, {beam}: {speed:.1f}, {errors:.1f} %</text>"
        )
    axes = "<path d='M60 10V300H860' fill=none stroke=#888 /><text x=60 y=325>seconds of sound a second</text>"
    title = "<h2>Errors against speed</h2><p>by beam size"
    return f"{title}<svg viewBox='0 0 900 340' font-size=12>{axes}{''.join(marks)}</svg>"
