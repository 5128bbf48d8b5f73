"""make quality: python -m benchmarks.quality [--small] [--only ours,vllm] [--model FOLDER]

Records the sets (espeak-ng), transcribes them with this endpoint and its peers on the same weights, prints the tables
and what was to be shown, and writes build/quality/report.json. Exit status 1 if a line falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.quality import ours, report, scores
from benchmarks.quality.recordings import Recording, record_all
from endpoint.config import TEST_MODEL

FOLDER = Path("build/quality")
PEERS = ("transformers", "vllm", "faster-whisper", "faster-whisper vad", "faster-whisper words")
PEER_SECONDS = 1800
RULES_TEST = "tests/test_engine_inside_rules_reference.py"


def run_peer(name: str, recordings: Path, model: Path) -> dict[str, Any]:
    """A peer's results; with {"failed": why} where it did not come to the end."""
    out = FOLDER / f"{name.replace(' ', '-')}.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.quality.peers", name, str(recordings), str(model), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ours.PACKAGES), "ORT_DISABLE_TELEMETRY": "1"}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    peer = subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)
    failed = {}
    try:
        _, output = peer.communicate(timeout=PEER_SECONDS)
        if peer.returncode:
            failed = {"failed": (output.strip().splitlines() or ["no reason given"])[-1]}
    except subprocess.TimeoutExpired:
        failed = {"failed": f"not done after {PEER_SECONDS} s"}
        os.killpg(peer.pid, signal.SIGTERM)  # with the server it may have started
        peer.communicate()
    results: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    return results | failed


def measure(
    recordings: Sequence[Recording], folder: Path, model: Path, small: bool
) -> tuple[report.Results, dict[str, float], dict[str, str]]:
    """This endpoint's results, the figures that only it has, and why some are missing."""
    extra, failed = dict[str, float](), dict[str, str]()

    def figure(name: str, work: Callable[[], float]) -> None:
        try:
            extra[name] = work()
        except (RuntimeError, subprocess.SubprocessError) as error:
            failed[name] = (str(error).strip().splitlines() or [type(error).__name__])[-1]

    with ours.serving(model, FOLDER / "server.log") as base:
        results = ours.transcribe_all(base, folder, recordings)
        extra |= scores.time_errors(recordings, results)
        extra["language_right"] = scores.languages_right(ours.unlabelled(recordings), results)
        if not small:
            figure("no_language_cost", lambda: ours.cost_of_no_language(base, folder, recordings))
            figure("words_cost", lambda: ours.cost_of_words(base, folder, recordings))
    if not small:
        figure("fallback_cost", lambda: ours.in_process("fallback_cost", str(folder), str(model))["ratio"])
        figure("within_a_frame", lambda: ours.in_process("reference", str(model))["within_a_frame"])
        figure("rules_differ", lambda: ours.rules_differ(RULES_TEST))
    return {report.SELF: results}, extra, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a slice of every set, without peers and costs")
    parser.add_argument("--only", default=",".join(PEERS), help="peers to run, separated by commas; empty for none")
    parser.add_argument("--model", type=Path, default=TEST_MODEL)
    args = parser.parse_args()
    console = Console(width=160, soft_wrap=True)
    folder = FOLDER / ("small" if args.small else "recordings")
    recordings = record_all(folder, small=args.small)
    minutes = sum(item.seconds for item in recordings) / 60
    console.print(f"{len(recordings)} recordings, {minutes:.0f} minutes, in {folder}")
    results, extra, failed = measure(recordings, folder, args.model, args.small)
    for name in () if args.small else filter(None, args.only.split(",")):
        console.print(f"running {name} ...")
        results[name] = run_peer(name, folder, args.model)
    figures = report.figures_of(recordings, results)
    report.print_errors(console, figures, results)
    report.print_times(console, recordings, results)
    lines = report.checks(figures, extra, failed)
    report.print_checks(console, lines)
    wrong = {who: list(scores.mistakes(recordings, given)) for who, given in results.items() if "failed" not in given}
    written = {"sets": figures, "figures": extra, "failed": failed, "checks": lines, "mistakes": wrong}
    out = FOLDER / ("small.json" if args.small else "report.json")
    out.write_text(json.dumps(written, indent=1, ensure_ascii=False))
    console.print(f"all of it, every mistake with its place included, is in {out}")
    return 0 if all(met for *_, met in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
