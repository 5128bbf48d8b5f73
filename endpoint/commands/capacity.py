"""`endpoint capacity`: how many GPUs hold which latency, and what they cost, before they are rented.

From a report of `endpoint bench --json` of a server with one engine, and a traffic trace: a csv with the columns
`arrival` (seconds, or dates and times) and `duration` (seconds of audio). Fleets of 1, 2, 3 ... engines are simulated
under that traffic, and one that Kubernetes scales.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from endpoint.capacity.autoscale import Rules
from endpoint.capacity.report import HEADS, Fleet, as_html, as_json, fleet, row
from endpoint.capacity.simulate import SLOTS, Simulated, simulate
from endpoint.capacity.speed import Speed, speed_of
from endpoint.capacity.trace import Arrival, audio_seconds, read_trace
from endpoint.commands.numbers import positive
from endpoint.errors import InvalidRequest

SCALED = "autoscaled"
MORE = 2  # fleets that are shown beyond the smallest that holds the goal


def run(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    speed = speed_of(_report(args.bench))
    arrivals = read_trace(args.trace, args.speed)
    runs, fleets = _fixed(args, speed, arrivals)
    enough = next((k for k, one in enumerate(fleets, 1) if one.holds), None)
    threshold = args.threshold or speed.best_audio * args.goal
    rules = Rules(threshold, args.least, args.most, args.start_seconds, args.poll, args.settle, args.up, args.down)
    scaled = simulate(arrivals, speed, args.least, rules, args.slots)
    fleets.append(fleet(SCALED, scaled, audio_seconds(arrivals), args.price, args.goal))
    shown = {f"{number} engines": found for number, found in runs.items() if number in (enough, args.least)}
    about = _about(args, speed, arrivals, threshold, enough)
    _print(fleets, about)
    _warn(args, speed, runs.get(enough or args.most, scaled), enough)
    if args.json:
        _write(args.json, json.dumps(as_json(fleets, about), indent=1) + "\n")
    if args.html:
        _write(args.html, as_html(fleets, {**shown, SCALED: scaled}, about))
    return 0 if enough else 1


def _fixed(args: argparse.Namespace, speed: Speed, arrivals: list[Arrival]) -> tuple[dict[int, Simulated], list[Fleet]]:
    """Fleets of 1, 2, 3 ... engines, until MORE beyond the first that holds the goal."""
    runs, fleets = dict[int, Simulated](), list[Fleet]()
    for number in range(1, args.most + 1):
        runs[number] = simulate(arrivals, speed, number, slots=args.slots)
        fleets.append(fleet(str(number), runs[number], audio_seconds(arrivals), args.price, args.goal))
        if sum(one.holds for one in fleets) > MORE:
            break
    return runs, fleets


def _about(
    args: argparse.Namespace, speed: Speed, arrivals: list[Arrival], threshold: float, enough: int | None
) -> dict[str, Any]:
    return {
        "recordings": len(arrivals),
        "audio hours": round(audio_seconds(arrivals) / 3600, 3),
        "hours": round(arrivals[-1].at / 3600, 3),
        "goal, p95 s": args.goal,
        "engines that hold it": enough or "none",
        "best rate of an engine, times real time": round(speed.best_audio, 1),
        "threshold, seconds of audio for an engine": round(threshold),
        "currency": args.currency,
    }


def _print(fleets: list[Fleet], about: dict[str, Any]) -> None:
    table = Table(show_edge=False)
    for head in HEADS:
        table.add_column(head, justify="right")
    for one in fleets:
        table.add_row(*row(one), style="bold" if one.holds else None)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    for name, value in about.items():
        print(f"{name}: {value}")


def _warn(args: argparse.Namespace, speed: Speed, found: Simulated, enough: int | None) -> None:
    if enough is None:
        print(f"no fleet of up to {args.most} engines holds a p95 of {args.goal:g} s", file=sys.stderr)
    if min(found.most_windows, args.slots) > speed.most_measured:
        print(
            f"up to {found.most_windows} windows were at once on an engine, and the report measured "
            f"{speed.most_measured:.0f}: measure more (--concurrency), or take this for an estimate",
            file=sys.stderr,
        )


def _report(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"cannot read {path}: {error}") from error
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"cannot write {path}: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    about = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(prog="endpoint capacity", description=f"{about[0]} {about[1]}")
    parser.add_argument(
        "--bench", type=Path, required=True, help="report of `endpoint bench --concurrency 1,4,16,64 --json`"
    )
    parser.add_argument("--trace", type=Path, required=True, help="csv with the columns arrival and duration")
    parser.add_argument(
        "--speed", type=positive(float), default=1.0, help="2: twice as much traffic in an hour; default 1"
    )
    parser.add_argument("--goal", type=positive(float), default=5.0, help="p95 of the latency, in seconds; default 5")
    parser.add_argument(
        "--slots", type=positive(int), default=SLOTS, help=f"MAX_NUM_SEQS of an engine; default {SLOTS}"
    )
    money = parser.add_argument_group("cost")
    money.add_argument(
        "--price", type=positive(float), default=1.0, help="of an engine and its GPU for an hour; default 1"
    )
    money.add_argument("--currency", default="USD")
    scaling = parser.add_argument_group("autoscaling, as in deploy/kubernetes/scaling.yaml")
    given = replace(Rules(1.0))
    scaling.add_argument(
        "--threshold",
        type=positive(float),
        help="seconds of audio waiting for an engine; unset: what one does in the time of --goal",
    )
    scaling.add_argument("--least", type=positive(int), default=given.least, help=f"engines; default {given.least}")
    scaling.add_argument(
        "--most", type=positive(int), default=given.most, help=f"engines, of fixed fleets as well; default {given.most}"
    )
    scaling.add_argument(
        "--start-seconds",
        type=positive(float),
        default=given.start,
        help=f"until a new engine is ready; default {given.start:g}",
    )
    scaling.add_argument(
        "--poll", type=positive(float), default=given.poll, help=f"seconds between looks; default {given.poll:g}"
    )
    scaling.add_argument(
        "--settle",
        type=positive(float),
        default=given.settle,
        help=f"seconds before engines are removed; default {given.settle:g}",
    )
    scaling.add_argument(
        "--up", type=positive(int), default=given.up, help=f"most engines added in a minute; default {given.up}"
    )
    scaling.add_argument(
        "--down", type=positive(int), default=given.down, help=f"most engines removed in a minute; default {given.down}"
    )
    output = parser.add_argument_group("report")
    output.add_argument("--json", type=Path, help="write the figures here")
    output.add_argument("--html", type=Path, help="write a page with charts here")
    return parser
