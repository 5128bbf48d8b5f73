"""make chaos: jobs while workers, servers and stores are killed, paused, cut off and filled up.

    --store sqlite|redis|both
    --seed 0
    --small              every check in a short form, in about a minute
    --only NAME,...      of the checks: worker_killed, api_killed, late_worker, store_broken, poison, many_finished,
                         fairness, webhooks

Real processes on the loopback interface, with the fake engine. Each check prints what was wanted and what was measured;
build/chaos/report.html has a timeline of each. Exit status 1 if a line falls short.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from benchmarks.chaos.api_killed import api_killed
from benchmarks.chaos.fairness import fairness
from benchmarks.chaos.late_worker import late_worker
from benchmarks.chaos.many_finished import many_finished
from benchmarks.chaos.poison import poison
from benchmarks.chaos.report import Outcome, write
from benchmarks.chaos.store_broken import store_broken
from benchmarks.chaos.webhooks import webhooks
from benchmarks.chaos.worker_killed import worker_killed
from benchmarks.chaos.world import Row, World, redis_program, world
from endpoint.observe.log import configure_logging

CHECKS: tuple[Callable[[World], Awaitable[list[Row]]], ...] = (
    worker_killed,
    api_killed,
    late_worker,
    store_broken,
    poison,
    many_finished,
    fairness,
    webhooks,
)
SECONDS, SMALL_SECONDS = 900.0, 120.0  # for one check
BUILD = Path("build/chaos")


async def run(folder: Path, stores: Sequence[str], seed: int, small: bool, names: Sequence[str], at_once: int) -> bool:
    slots = asyncio.Semaphore(at_once)
    checks = [(check, store) for store in stores for check in CHECKS if not names or check.__name__ in names]
    outcomes = await asyncio.gather(*(_run(folder, *one, seed, small, slots) for one in checks))
    write(folder, outcomes, seed, small)
    short = [row for one in outcomes for row in one.rows if not row.met]
    print(f"{len(outcomes)} checks, {len(short)} lines fall short; {folder / 'report.html'}")
    return not short


async def _run(
    folder: Path, check: Callable[[World], Awaitable[list[Row]]], store: str, seed: int, small: bool,
    slots: asyncio.Semaphore,
) -> Outcome:  # fmt: skip
    name = check.__name__
    about = (check.__doc__ or "").strip().partition("\n")[0]
    async with slots, world(store, folder / f"{name}-{store}", f"{seed} {name} {store}", small) as made:
        began = time.monotonic()
        try:
            async with asyncio.timeout(SMALL_SECONDS if small else SECONDS):
                rows = await check(made)
        except Exception as error:  # the others still run
            traceback.print_exc()
            rows = [Row("the check came to its end", "yes", f"{type(error).__name__}: {error}", False)]
        outcome = Outcome(name, store, about, time.monotonic() - began, rows, made.timeline)
        made.keep = not outcome.met
    print(f"{name} on {store}, {outcome.seconds:.0f} s")
    for row in rows:
        print(f"  {'met ' if row.met else 'NOT MET'} {row.name}: wanted {row.wanted}, measured {row.figure}")
    sys.stdout.flush()
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "redis", "both"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--at-once", type=int, help="checks side by side (default: 1, with --small 4)")
    parser.add_argument("--folder", type=Path, default=BUILD)
    given = parser.parse_args()
    configure_logging("error")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # what was started is ended
    stores = ("sqlite", "redis") if given.store == "both" else (given.store,)
    if "redis" in stores and redis_program() is None:
        parser.error(
            "there is neither redis-server nor valkey-server (Debian and Ubuntu: apt-get install redis-server)"
        )
    names = [name for name in given.only.split(",") if name]
    if unknown := set(names) - {check.__name__ for check in CHECKS}:
        parser.error(f"no such check: {', '.join(sorted(unknown))}")
    at_once = given.at_once or (4 if given.small else 1)
    return 0 if asyncio.run(run(given.folder.absolute(), stores, given.seed, given.small, names, at_once)) else 1


if __name__ == "__main__":
    sys.exit(main())
