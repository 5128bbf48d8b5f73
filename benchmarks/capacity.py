"""What `endpoint capacity` predicts beside what a real run of processes shows: python -m benchmarks.capacity

    --only base   whisper-base on human clips, one server
    --only fake   two engine servers behind a gateway, with the fake engine at a pace of its own

Each round measures the engine as `endpoint bench` does (callers at once), sends a trace of random arrivals, and
measures the engine again; so whatever else the machine does meanwhile is in both. The prediction is that of all
measurements of all rounds together, for the very arrivals and recordings that were sent. Fails where p95 is off by more
than 20 %.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.chaos.processes import Process, endpoint
from benchmarks.chaos.timeline import Timeline
from benchmarks.harden.servers import server
from benchmarks.human.clips import shipped
from endpoint.bench.client import Client, Outcome
from endpoint.bench.containers import decode
from endpoint.bench.figures import Cost, figures_of, percentiles
from endpoint.bench.loops import arrivals, closed_loop, open_loop
from endpoint.bench.recordings import WORKLOADS, Recording, make
from endpoint.bench.report import Run, as_json
from endpoint.bench.request import Request, requests
from endpoint.capacity.simulate import SLOTS, simulate
from endpoint.capacity.speed import Speed, speed_of
from endpoint.capacity.trace import Arrival
from endpoint.local import running_server
from endpoint.net import free_port

TOKEN = "the-token-of-benchmarks-capacity"
MOST_ERROR = 0.20
PACE = {"delay": 0.5, "at_once": 4}  # of the fake engine: 8 windows a second
TIMEOUT = 600.0


@dataclass(frozen=True)
class Case:
    """alone: the base URL of a server with one engine; whole: of what is predicted, with `engines`. levels: callers at
    once. each: requests of every level for each caller.
    """

    name: str
    alone: str
    whole: str
    engines: int
    recordings: Sequence[Recording]
    levels: Sequence[int]
    each: int
    slots: int = SLOTS


@dataclass
class Measured:
    """runs: of callers. traces: (arrivals, latencies in the order of arrival)."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    traces: list[tuple[list[Arrival], list[float]]] = field(default_factory=list)


@asynccontextmanager
async def base() -> AsyncIterator[Case]:
    clips = [Recording(clip.language, clip.text, decode(clip.path)) for clip in shipped()]
    with running_server(MODEL_ID="base", JOBS_URL="off", LOG_LEVEL="warning") as made:
        yield Case("whisper-base, one server", made.base, made.base, 1, clips, (1, 2, 4, 8, 16), 6)


@asynccontextmanager
async def fake() -> AsyncIterator[Case]:
    common = {"ENGINE_TOKEN": TOKEN, "JOBS_URL": "off", "DECODE_WORKERS": "1"}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bases = []
        for name in ("engine-a", "engine-b"):
            _, address = await stack.enter_async_context(server(folder, name, engine=PACE, **common))
            bases.append(address)
        front = f"http://127.0.0.1:{(port := free_port())}"
        command = endpoint("gateway", "--engines", ",".join(bases), "--host", "127.0.0.1", "--port", str(port))
        own = {"ENGINE_TOKEN": TOKEN, "JOBS_URL": "off", "API_PROCESSES": "1", "LOG_LEVEL": "warning"}
        process = Process("gateway", command, own, folder, Timeline())
        process.start()
        stack.push_async_callback(process.end)
        await process.wait_ready(front)
        spoken = make(WORKLOADS["short"], ["en"], seed=1)
        yield Case("two fake engine servers and a gateway", bases[0], front, 2, spoken, (1, 2, 4, 8, 16), 6, 4)


CASES = {"base": base, "fake": fake}


async def callers(case: Case, made: Sequence[Request]) -> list[dict[str, Any]]:
    """The runs of a bench report of one engine."""
    runs = []
    async with Client(f"{case.alone}/v1", api_key="none", timeout=TIMEOUT, stream=False) as client:
        await closed_loop(client, made, 4, 4)
        for level in case.levels:
            outcomes = await closed_loop(client, made, level, max(len(made), case.each * level))
            runs.append(Run(figures_of(outcomes, Cost(0.0), concurrency=level), outcomes))
    rows: list[dict[str, Any]] = as_json(runs, {})["runs"]
    return rows


async def trace(case: Case, made: Sequence[Request], rate: float, seconds: float, seed: int) -> list[Outcome]:
    """Random arrivals at the whole. Raises RuntimeError where a request fails."""
    times = arrivals(rate, seconds, seed)
    async with Client(f"{case.whole}/v1", api_key="none", timeout=TIMEOUT, stream=False) as client:
        outcomes = await open_loop(client, made, times)
    if failed := [outcome.failure for outcome in outcomes if outcome.failure]:
        raise RuntimeError(f"{len(failed)} requests failed: {failed[0]}")
    return sorted(outcomes, key=lambda outcome: outcome.intended)


async def measure(case: Case, rounds: int, seconds: float, share: float) -> Measured:
    made = requests(case.recordings, ["wav"], {"response_format": "json"}, say_language=True)
    found = Measured()
    for number in range(rounds):
        found.runs += await callers(case, made)
        rate = share * case.engines * speed_of({"runs": found.runs}).best
        outcomes = await trace(case, made, rate, seconds, seed=number)
        began = outcomes[0].intended
        sent = [Arrival(one.intended - began, one.request.recording.seconds) for one in outcomes]
        found.traces.append((sent, [one.latency for one in outcomes]))
        found.runs += await callers(case, made)
        print(f"round {number + 1}: {line(case, speed_of({'runs': found.runs}), found.traces[-1:])}", flush=True)
    return found


def line(case: Case, speed: Speed, traces: Sequence[tuple[list[Arrival], list[float]]]) -> str:
    shown, real = latencies(case, speed, traces)
    parts = [f"{name} {a:.3f} s for {b:.3f} s ({a / b - 1:+.0%})" for name, a, b in quantiles(shown, real)]
    return f"{len(real)} requests, predicted {', '.join(parts)}"


def latencies(
    case: Case, speed: Speed, traces: Sequence[tuple[list[Arrival], list[float]]]
) -> tuple[list[float], list[float]]:
    """(predicted, measured), of all traces."""
    shown = [lag for sent, _ in traces for lag in simulate(sent, speed, case.engines, slots=case.slots).latencies]
    return shown, [lag for _, real in traces for lag in real]


def quantiles(shown: Sequence[float], real: Sequence[float]) -> list[tuple[str, float, float]]:
    predicted, measured = percentiles(shown), percentiles(real)
    assert predicted is not None
    assert measured is not None
    return [(name, getattr(predicted, name), getattr(measured, name)) for name in ("p50", "p95", "p99")]


async def check(name: str, args: argparse.Namespace) -> bool:
    async with CASES[name]() as case:
        print(
            f"{case.name}: {args.rounds} rounds of {args.seconds:g} s at {args.share:.0%} of the best rate", flush=True
        )
        found = await measure(case, args.rounds, args.seconds, args.share)
    speed = speed_of({"runs": found.runs})
    print("rates: " + ", ".join(f"{at:g} at once {rate:.2f}/s" for at, rate in speed.points))
    print(f"{name}, all rounds: {line(case, speed, found.traces)}", flush=True)
    if args.output:
        kept = {"runs": found.runs, "traces": [([vars(at) for at in sent], real) for sent, real in found.traces]}
        (args.output / f"capacity-{name}.json").write_text(json.dumps(kept))
    shown, real = latencies(case, speed, found.traces)
    _, (_, predicted, measured), _ = quantiles(shown, real)
    return abs(predicted / measured - 1) <= MOST_ERROR


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=120.0, help="of a trace")
    parser.add_argument("--share", type=float, default=0.7, help="of the engines' best rate")
    parser.add_argument("--output", type=Path, help="a folder for what was measured")
    args = parser.parse_args()
    wrong = [name for name in CASES if args.only in (None, name) and not asyncio.run(check(name, args))]
    for name in wrong:
        print(f"{name}: p95 is off by more than {MOST_ERROR:.0%}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
