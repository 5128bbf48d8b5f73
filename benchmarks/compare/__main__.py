"""make compare: python -m benchmarks.compare [--rounds N] [--small] [--only "this endpoint,vLLM's server"]

This endpoint, vLLM's own server, vLLM's bare engine, faster-whisper and openai-whisper on the same recordings and
weights, one after the other and round after round, the others standing still. Prints the tables and what was to be
reached, and writes build/compare/report.json. Exit status 1 if a line falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.compare import report
from benchmarks.compare.cases import FULL, SMALL, Case, Size
from benchmarks.compare.contenders import BARE, SERVERS, Contender, Row, start
from endpoint.config import DEMO_MODEL

FOLDER = Path("build/compare")
SHARE = 0.7  # of the slower server's peak
CLOSED = [Case(workload, language) for workload in ("packed", "long") for language in (True, False)]
PACED = [("packed", True), ("packed", False), ("long", True)]

Rows = dict[str, dict[str, list[Row]]]


def load() -> str:
    """How busy the machine is, over 1, 5 and 15 minutes."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def measure(console: Console, who: Contender, case: Case, size: Size, results: Rows) -> None:
    who.turn()
    try:
        row = who.measure(case, size)
    finally:
        who.rest()
    results[case.name][who.name].append(row)
    speed, wer = row["audio_seconds_per_second"], row["wer"]
    console.print(f"  {case.name}: {who.name}: {speed:.1f} audio s/s, word errors {wer:.2%}, load {load()}")


def paced(results: Rows) -> list[Case]:
    """Open loops at SHARE of what the slower server reached in the first round."""
    cases = []
    for workload, language in PACED:
        found = results[Case(workload, language).name]
        if all(name in found for name in SERVERS):
            peak = min(found[name][0]["requests_per_second"] for name in SERVERS)
            cases.append(Case(workload, language, SHARE * peak))
    return cases


def run(console: Console, contenders: list[Contender], size: Size, rounds: int) -> tuple[list[Case], Rows]:
    results: Rows = defaultdict(lambda: defaultdict(list))
    open_loops = list[Case]()
    for number in range(rounds):
        console.print(f"round {number + 1} of {rounds}, load {load()}")
        for case in CLOSED:
            for who in contenders:
                if case.language or who.name in SERVERS:
                    measure(console, who, case, size, results)
        open_loops = open_loops or paced(results)
        for case in open_loops:
            for who in contenders:
                if who.name in SERVERS:
                    measure(console, who, case, size, results)
    return [*CLOSED, *open_loops], results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="fewer requests, one round: to see that it works")
    parser.add_argument("--only", default=",".join((*SERVERS, *BARE)), help="who, separated by commas")
    parser.add_argument("--model", type=Path, default=DEMO_MODEL)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or those that stand still would stay for ever
    console = Console(width=180, soft_wrap=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    size, began = SMALL if args.small else FULL, datetime.now(UTC)
    with ExitStack() as stack:
        contenders = []
        for name in args.only.split(","):
            console.print(f"starting {name} ...")
            who = start(name, args.model, "small" if args.small else "full", FOLDER)
            stack.callback(who.close)
            who.wait()
            console.print(f"  ready; idle it takes {who.idle():.1%} of a core")
            who.rest()
            contenders.append(who)
        cases, results = run(console, contenders, size, 1 if args.small else args.rounds)
    report.print_rows(console, cases, results)
    lines = report.checks(cases, results)
    report.print_checks(console, lines)
    about = {"began": began.isoformat(timespec="seconds"), "cores": os.cpu_count(), "load": load()}
    written = report.as_json(results, lines, about)
    (FOLDER / "report.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    console.print(f"all of it is in {FOLDER / 'report.json'}")
    return 0 if lines and all(met for *_, met in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
