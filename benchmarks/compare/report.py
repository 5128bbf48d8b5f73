"""What was measured, as a table, and held against what was to be reached."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.compare.cases import Case
from benchmarks.compare.contenders import ENGINE, FASTER, OURS, STOCK, Row

WITHOUT_LANGUAGE, WITH_LANGUAGE, OF_ENGINE, OF_FASTER = 1.8, 1.3, 0.9, 1.0  # what is to be reached

Results = Mapping[str, Mapping[str, Sequence[Row]]]  # case name -> contender -> a row for each round
Check = tuple[str, str, str, bool]  # what, measured, wanted, met


def median(rows: Sequence[Row], name: str) -> float:
    return statistics.median(row[name] for row in rows)


def ratio(found: Mapping[str, Sequence[Row]], one: str, other: str, name: str) -> float:
    """Median over the rounds of what `one` reached over what `other` did in the same round."""
    return statistics.median(a[name] / b[name] for a, b in zip(found[one], found[other], strict=True))


def p95(rows: Sequence[Row]) -> float:
    """Of all requests of all rounds."""
    return float(np.percentile([latency for row in rows for latency in row["latencies"]], 95))


def per_cpu_second(row: Row) -> float:
    """Audio seconds per second of processor time: what other work on the machine disturbs least."""
    done = row["audio_seconds_per_second"] * row.get("wall_seconds", row.get("seconds", 0.0))
    return float(done / row["server_cpu_seconds"])


def print_rows(console: Console, cases: Sequence[Case], results: Results) -> None:
    table = Table(title="medians over the rounds; audio seconds per second of time and of processor time")
    heads = "windows/s", "audio s/s", "of each round", "per CPU s", "word errors", "p50 s", "p95 s", "MiB"
    for head in ("work", "who", *heads):
        table.add_column(head, justify="right" if head in heads else "left")
    for case in cases:
        for who, rows in results.get(case.name, {}).items():
            rates = [f"{median(rows, name):.2f}" for name in ("windows_per_second", "audio_seconds_per_second")]
            each = " ".join(f"{row['audio_seconds_per_second']:.0f}" for row in rows)
            cells = [f"{statistics.median(map(per_cpu_second, rows)):.1f}", f"{median(rows, 'wer'):.2%}", "", "", ""]
            if "latencies" in rows[0]:
                lags = [latency for row in rows for latency in row["latencies"]]
                cells[2:] = (
                    f"{np.percentile(lags, 50):.2f}",
                    f"{p95(rows):.2f}",
                    f"{median(rows, 'server_peak_mib'):.0f}",
                )
            table.add_row(case.name, who, *rates, each, *cells)
        table.add_section()
    console.print(table)


def checks(cases: Sequence[Case], results: Results) -> list[Check]:
    """A line for everything that was to be shown and could be measured."""
    lines = list[Check]()
    for case in cases:
        found = results.get(case.name, {})
        if not {OURS, STOCK} <= set(found):
            continue
        if case.rate is not None:
            ours, theirs = p95(found[OURS]), p95(found[STOCK])
            lines.append((f"p95 s, {case.name}", f"{ours:.2f}", f"at most {theirs:.2f}", ours <= theirs))
            continue
        lines += _rates(case, found)
        ours, theirs = (median(found[who], "wer") for who in (OURS, STOCK))
        lines.append((f"word errors, {case.name}", f"{ours:.2%}", f"at most {theirs:.2%}", ours <= theirs))
    return lines


def _rates(case: Case, found: Mapping[str, Sequence[Row]]) -> list[Check]:
    speed = ratio(found, OURS, STOCK, "audio_seconds_per_second")
    what = f"audio s/s over {STOCK}'s, {case.name}"
    if not case.language:
        return [(what, f"{speed:.2f}", f"at least {WITHOUT_LANGUAGE}", speed >= WITHOUT_LANGUAGE)]
    lines, measured, wanted, met = list[Check](), f"{speed:.2f}", f"at least {WITH_LANGUAGE}", speed >= WITH_LANGUAGE
    if ENGINE in found:
        share = ratio(found, OURS, ENGINE, "audio_seconds_per_second")
        measured, met = f"{measured}, {share:.0%}", met or share >= OF_ENGINE
        wanted += f", or {OF_ENGINE:.0%} of the bare engine"
    lines.append((what, measured, wanted, met))
    if FASTER in found:
        share = ratio(found, OURS, FASTER, "windows_per_second")
        what = f"windows/s over {FASTER}'s, {case.name}"
        lines.append((what, f"{share:.2f}", f"at least {OF_FASTER}", share >= OF_FASTER))
    return lines


def print_checks(console: Console, lines: Sequence[Check]) -> None:
    table = Table(title="what was to be reached")
    for column in ("what", "measured", "wanted", ""):
        table.add_column(column)
    for what, measured, wanted, met in lines:
        table.add_row(what, measured, wanted, "yes" if met else "NO")
    console.print(table)


def as_json(results: Results, lines: Sequence[Check], about: dict[str, Any]) -> dict[str, Any]:
    return {**about, "results": results, "checks": lines}
