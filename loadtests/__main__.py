"""make load: python -m loadtests [--shape ramp|spike|soak|brief] [--seconds N] [--callers N]

Starts a server on the bundled model, on the loopback interface, drives it for a bounded time, and stops it. Writes
build/load/report.html. Exit status 1 if a threshold is not kept.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

from endpoint.bench.usage import Processes
from endpoint.errors import ConfigError
from endpoint.local import running_server
from loadtests.shapes import SHAPES
from loadtests.thresholds import Measured, Thresholds, broken

HERE = Path(__file__).parent
FOLDER = Path("build/load")
MORE_SECONDS = 120  # for requests that are in flight at the end


def drive(base: str, processes: Processes, args: argparse.Namespace, rest: list[str]) -> tuple[int, float]:
    """Locust's exit status, and by what share the server's memory grew after the first third of the run."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--headless", "--only-summary"]
    command += ["--host", base, "--shape", args.shape, "--seconds", str(args.seconds), "--callers", str(args.callers)]
    command += ["--stop-timeout", "60", "--html", str(FOLDER / "report.html"), *rest]
    command += [] if args.any_words else ["--check-words"]
    locust, began, early, peak = subprocess.Popen(command), time.monotonic(), 0.0, 0.0
    try:
        while (status := locust.poll()) is None:
            now, passed = processes.memory_mib(), time.monotonic() - began
            if passed < args.seconds / 3:
                early = max(early, now)
            peak = max(peak, now)
            if passed > args.seconds + MORE_SECONDS:
                raise RuntimeError(f"locust did not end within {passed:.0f} s")
            time.sleep(0.5)
    finally:
        if locust.poll() is None:
            locust.kill()
            locust.wait()
    print(f"the server's memory: {early:.0f} MiB at most in the first third, {peak:.0f} MiB in all")
    return status, peak / early - 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Other flags are locust's, and those of loadtests/locustfile.py.",
    )
    parser.add_argument("--shape", choices=SHAPES, default="brief")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--callers", type=int, default=12)
    parser.add_argument("--any-words", action="store_true", help="do not check the recognized words; for ENGINE=fake")
    args, rest = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped
    with running_server() as server:
        print(f"the server is ready after {server.seconds:.0f} s", flush=True)
        status, growth = drive(server.base, Processes(server.pid), args, rest)
    lines = broken([Measured("all", 1, 0, 0.0)], Thresholds(), growth)
    for line in lines:
        print(f"not kept: {line}")
    print(f"the report is {FOLDER / 'report.html'}")
    return 1 if status or lines else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConfigError as error:
        sys.exit(error.message)
