"""make quality: python -m benchmarks.quality [--small] [--only ours,vllm] [--model FOLDER]

Records the sets (espeak-ng), transcribes them with this endpoint and its peers on the same weights, prints the tables
and what was to be shown, and writes build/quality/report.json. Exit status 1 if a line falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality import ours, scores
from benchmarks.quality.recordings import Recording, record_all
from endpoint.config import DEMO_MODEL

FOLDER = Path("build/quality")
PACKAGES = Path("build/peers")
PEERS = ("transformers", "vllm", "faster-whisper", "faster-whisper vad")
SELF = "this endpoint"
MADE_UP = "nothing"  # the set without a word

Results = dict[str, dict[str, Any]]


def run_peer(name: str, recordings: Path, model: Path) -> dict[str, Any]:
    """A peer's answers, or {"failed": why}."""
    out = FOLDER / f"{name.replace(' ', '-')}.json"
    command = [sys.executable, "-m", "benchmarks.quality.peers", name, str(recordings), str(model), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no reason given"])[-1]}
    answers: dict[str, Any] = json.loads(out.read_text())
    return answers


def tables(console: Console, recordings: Sequence[Recording], answers: Results) -> dict[str, dict[str, Any]]:
    """Print error rates by set, and give them as figures[set][who]."""
    figures: dict[str, dict[str, Any]] = {}
    table = Table(title="word error rate (deleted) by set; words made up where nobody spoke")
    for column in ("set", *answers):
        table.add_column(column)
    for kind, group in groupby(recordings, key=lambda item: item.set):
        items, row = list(group), [kind]
        figures[kind] = {}
        for who, given in answers.items():
            if "failed" in given:
                row.append("failed")
                continue
            found = figures[kind][who] = scores.of_set(items, given)
            row.append(
                f"{found['made_up']:.0f} words"
                if "made_up" in found
                else f"{found['wer']:.2%} ({found['deleted']:.2%})"
            )
        table.add_row(*row)
    console.print(table)
    for who, given in answers.items():
        if "failed" in given:
            console.print(f"{who} failed: {given['failed']}", style="red")
    return figures


def checks(figures: dict[str, dict[str, Any]], extra: dict[str, float]) -> list[tuple[str, str, str, bool]]:
    """(what, measured, wanted, met)."""
    lines = []
    for kind, found in figures.items():
        mine = found[SELF]
        if kind == MADE_UP:
            lines.append(("words where nobody spoke", f"{mine['made_up']:.0f}", "0", mine["made_up"] == 0))
            continue
        others = [who["wer"] for name, who in found.items() if name != SELF]
        if others:
            line = f"word error rate, {kind}", f"{mine['wer']:.2%}", f"at most {min(others):.2%}, the best peer's"
            lines.append((*line, mine["wer"] <= min(others)))
        if kind in ("talk", "gaps"):
            lines.append((f"words deleted, {kind}", f"{mine['deleted']:.2%}", "at most 0.5%", mine["deleted"] <= 0.005))
    for name, what, limit, least in LIMITS:
        if name in extra:
            value = extra[name]
            lines.append(
                (
                    what,
                    f"{value:.4g}",
                    f"{'at least' if least else 'at most'} {limit}",
                    value >= limit if least else value <= limit,
                )
            )
    return lines


LIMITS = (
    # figure, what it is, limit, whether it must reach it
    ("language_right", "unlabelled files in the right language", 0.98, True),
    ("no_language_cost", "wall time without a language over with one", 1.10, False),
    ("word_median", "word starts and ends, median error, s", 0.060, False),
    ("words_within_200_ms", "word starts and ends within 200 ms", 0.95, True),
    ("segment_median", "segment starts and ends, median error, s", 0.100, False),
    ("within_a_frame", "words within 20 ms of openai/whisper's timing.py", 0.99, True),
    ("words_cost", "wall time with word timestamps over without", 1.35, False),
    ("repair_cost", "wall time with fallback and coverage repair over without", 1.10, False),
)


def measure(
    recordings: Sequence[Recording], folder: Path, model: Path, small: bool
) -> tuple[Results, dict[str, float]]:
    """This endpoint's answers, and the figures that only it has."""
    with ours.serving(model, FOLDER / "server.log") as base:
        answers = ours.transcribe_all(base, folder, recordings)
        spoken = [item for item in recordings if item.words]
        extra = scores.time_errors(spoken, answers)
        extra["language_right"] = scores.languages_right([r for r in recordings if r.set == "unlabelled"], answers)
        if not small:
            extra["no_language_cost"] = ours.cost_of_no_language(base, folder, recordings)
            extra["words_cost"] = ours.cost_of_words(base, folder, recordings)
    if not small:
        extra["repair_cost"] = ours.in_process("repair_cost", str(folder), str(model))["ratio"]
        if PACKAGES.exists():
            extra |= ours.in_process("reference", str(model))
    return {SELF: answers}, extra


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a slice of every set, without peers and costs")
    parser.add_argument("--only", default=",".join(PEERS), help="peers to run, separated by commas; empty for none")
    parser.add_argument("--model", type=Path, default=DEMO_MODEL)
    args = parser.parse_args()
    console = Console(width=160, soft_wrap=True)
    folder = FOLDER / ("small" if args.small else "recordings")
    recordings = record_all(folder, small=args.small)
    minutes = sum(item.seconds for item in recordings) / 60
    console.print(f"{len(recordings)} recordings, {minutes:.0f} minutes, in {folder}")
    answers, extra = measure(recordings, folder, args.model, args.small)
    for name in () if args.small else filter(None, args.only.split(",")):
        console.print(f"running {name} ...")
        answers[name] = run_peer(name, folder, args.model)
    figures = tables(console, recordings, answers)
    lines = checks(figures, extra)
    table = Table(title="what was to be shown")
    for column in ("what", "measured", "wanted", ""):
        table.add_column(column)
    for what, measured, wanted, met in lines:
        table.add_row(what, measured, wanted, "yes" if met else "NO")
    console.print(table)
    report = {"sets": figures, "figures": extra, "checks": lines}
    (FOLDER / ("small.json" if args.small else "report.json")).write_text(json.dumps(report, indent=1))
    return 0 if all(met for *_, met in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
