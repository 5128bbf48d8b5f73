"""`make fleet`: what a fleet on Ray must show, on this machine; FLEET_ARGS="--only bulk --clips 100".

bulk      human clips with whisper-base on three nodes; a node is killed, then the driver; resumed
overhead  the same on one node, beside the pipeline alone
scaling   the fake engine at the pace of a real one, 1 to 8 actors
bend      from figures measured here: what limits 100 and 1,000 GPUs
serve     Ray Serve: official client, a replica killed under load
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

FOLDER = Path("build/fleet")
CHECKS = ("bulk", "overhead", "scaling", "bend", "serve")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=CHECKS)
    parser.add_argument("--clips", type=int, default=500)
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    short = []
    for name in args.only or CHECKS:
        began = time.monotonic()
        for ok, line in importlib.import_module(f"benchmarks.fleet.{name}").check(FOLDER, args.clips):
            print(f"{'ok  ' if ok else 'FAIL'} {name}: {line}", flush=True)
            short += [] if ok else [line]
        print(f"     {name} took {time.monotonic() - began:.0f} s", flush=True)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
