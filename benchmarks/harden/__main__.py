"""make harden: checks of reliability against real servers on the loopback interface.

    --small        every check in a short form
    --only NAME    of the checks; several with commas, or again

Each check prints what was wanted and what was measured; build/harden/report.html has them with plots. Exit status 1 if
a line falls short.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.harden.report import Found, Line, Outcome, write
from endpoint.observe.log import configure_logging

CHECKS = (  # modules with an async `check(folder, small)`
    "request_limits",
    "quotas",
    "overload",
    "long_files",
    "http_limits",
    "leavers",
    "mutated",
    "hostile",
    "no_files",
    "gateway",
    "gateway_model",
    "soak",
)
BUILD = Path("build/harden")


async def run(folder: Path, names: Sequence[str], small: bool) -> list[Outcome]:
    outcomes = []
    for name in names:
        module = import_module(f"benchmarks.harden.{name}")
        about = (module.__doc__ or "").strip().partition("\n")[0]
        began = time.monotonic()
        try:
            shutil.rmtree(folder / name, ignore_errors=True)  # what a run before left, such as used quotas
            (folder / name).mkdir(parents=True)
            found: Found = await module.check(folder / name, small)
        except Exception as error:  # the others still run
            traceback.print_exc()
            found = Found([Line("the check came to its end", "yes", f"{type(error).__name__}: {error}", False)])
        outcomes.append(Outcome(name, about, time.monotonic() - began, found))
        print(f"{name}: {'PASS' if outcomes[-1].met else 'FAIL'}, {outcomes[-1].seconds:.0f} s")
        print("\n".join(map(str, found.lines)), flush=True)
        write(folder, outcomes)
    return outcomes


def chosen(names: str) -> list[str]:
    """Raises argparse.ArgumentTypeError."""
    if unknown := set(names.split(",")) - set(CHECKS):
        raise argparse.ArgumentTypeError(f"no check: {', '.join(sorted(unknown))}")
    return names.split(",")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", type=chosen, action="extend", metavar="NAME", help=", ".join(CHECKS))
    parser.add_argument("--folder", type=Path, default=BUILD)
    given = parser.parse_args()
    configure_logging("error")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # what was started is ended
    outcomes = asyncio.run(run(given.folder.absolute(), given.only or CHECKS, given.small))
    return 0 if all(one.met for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
