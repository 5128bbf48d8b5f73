"""What was measured as tables, and held against what was to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality import scores
from benchmarks.quality.recordings import Recording

SELF = "this endpoint"
MADE_UP = "nothing"  # the set without a word
LONG = ("talk", "gaps")  # the ten-minute sets
MOST_DELETED = 0.005

Results = dict[str, dict[str, Any]]  # by system: its results by recording, or {"failed": why}
Figures = dict[str, dict[str, Any]]  # by set, then by who
Check = tuple[str, str, str, bool]  # what, measured, wanted, met

LIMITS = (
    # figure, what it is, limit, whether it must reach it
    ("language_right", "unlabelled files in the right language", 0.98, True),
    ("no_language_cost", "wall time without a language over with one", 1.10, False),
    ("word_median", "word starts and ends, median error, s", 0.060, False),
    ("words_within_200_ms", "word starts and ends within 200 ms", 0.95, True),
    ("segment_median", "segment starts and ends, median error, s", 0.100, False),
    ("within_a_frame", "words within 20 ms of openai/whisper's timing.py", 0.99, True),
    ("words_cost", "wall time with word timestamps over without", 1.35, False),
    ("fallback_cost", "wall time with fallback and continuation over without", 1.10, False),
    ("rules_differ", "decoding steps that differ from openai/whisper's filters", 0, False),
)


def figures_of(recordings: Sequence[Recording], results: Results) -> Figures:
    figures: Figures = {}
    for kind, group in groupby(recordings, key=lambda item: item.set):
        items = list(group)
        found = {who: given for who, given in results.items() if all(item.name in given for item in items)}
        figures[kind] = {who: scores.of_set(items, given) for who, given in found.items()}
    return figures


def print_errors(console: Console, figures: Figures, results: Results) -> None:
    console.print(_by_set("word error rate (deleted); words made up where nobody spoke", figures, results, _errors))
    console.print(_by_set("wall seconds for the set, one file after the other", figures, results, _seconds))
    for who, given in results.items():
        if "failed" in given:
            console.print(f"{who} failed: {given['failed']}", style="red")


def _by_set(title: str, figures: Figures, results: Results, cell: Any) -> Table:
    table = Table(title=title)
    for column in ("set", *results):
        table.add_column(column)
    for kind, found in figures.items():
        cells = [
            cell(found[who]) if who in found else "failed" if "failed" in given else "not asked"
            for who, given in results.items()
        ]
        table.add_row(kind, *cells)
    return table


def _errors(found: Mapping[str, float]) -> str:
    return f"{found['made_up']:.0f} words" if "made_up" in found else f"{found['wer']:.2%} ({found['deleted']:.2%})"


def _seconds(found: Mapping[str, float]) -> str:
    return f"{found['seconds']:.1f}"


def print_times(console: Console, recordings: Sequence[Recording], results: Results) -> None:
    """Word and segment times against the synthesis, of all who give them."""
    table = Table(title="starts and ends against the synthesis, seconds")
    for column in ("", "words: median", "95 %", "within 0.2", "segments: median", "95 %", "edges"):
        table.add_column(column)
    for who, given in results.items():
        asked = [item for item in recordings if item.name in given]
        found = scores.time_errors(asked, given)
        if not found:
            continue
        cells = [f"{found[name]:.3f}" if name in found else "" for name in ("word_median", "word_95")]
        cells.append(f"{found['words_within_200_ms']:.2%}" if "words_within_200_ms" in found else "")
        cells += [f"{found[name]:.3f}" if name in found else "" for name in ("segment_median", "segment_95")]
        table.add_row(who, *cells, f"{found.get('word_edges', 0):.0f} + {found.get('segment_edges', 0):.0f}")
    console.print(table)


def checks(figures: Figures, extra: Mapping[str, float], failed: Mapping[str, str]) -> list[Check]:
    """Every line of what was to be shown; `failed` says why a figure of LIMITS is missing."""
    lines: list[Check] = []
    for kind, found in figures.items():
        mine = found[SELF]
        if kind == MADE_UP:
            lines.append(("words where nobody spoke", f"{mine['made_up']:.0f}", "0", mine["made_up"] == 0))
            continue
        others = {name: who["wer"] for name, who in found.items() if name != SELF}
        if others:
            best = min(others, key=lambda name: others[name])
            wanted = f"at most {others[best]:.2%}, of {best}"
            lines.append((f"word error rate, {kind}", f"{mine['wer']:.2%}", wanted, mine["wer"] <= others[best]))
        if kind in LONG:
            deleted = f"{mine['deleted']:.2%}"
            lines.append((f"words deleted, {kind}", deleted, "at most 0.50%", mine["deleted"] <= MOST_DELETED))
    for name, what, limit, least in LIMITS:
        wanted = f"{'at least' if least else 'at most'} {limit}"
        if name in extra:
            value = extra[name]
            lines.append((what, f"{value:.4g}", wanted, value >= limit if least else value <= limit))
        elif name in failed:
            lines.append((what, f"failed: {failed[name]}", wanted, False))
    return lines


def print_checks(console: Console, lines: Sequence[Check]) -> None:
    table = Table(title="what was to be shown")
    for column in ("what", "measured", "wanted", ""):
        table.add_column(column)
    for what, measured, wanted, met in lines:
        table.add_row(what, measured, wanted, "yes" if met else "NO")
    console.print(table)
