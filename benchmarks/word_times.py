"""Word times alone: python -m benchmarks.word_times [--minutes 10] [--model FOLDER]   (minutes; needs espeak-ng)

The part of `make quality` that concerns word times, with starts and ends apart: recordings whose
every word espeak-ng has timed, transcribed over HTTP. Prints a table, writes build/word_times.json; exit status 1 if a
figure falls short. Beside openai/whisper's own timing.py only where benchmarks/install_peers.sh was run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.quality import ours
from benchmarks.quality.recordings import Recording, Studio, _with_gaps
from endpoint.config import TEST_MODEL

FOLDER = Path("build/word_times")
PACKAGES = Path("build/peers")
SEED = 60_601  # not the seed of `make quality`: nothing is tuned on these
LIMITS = (
    # figure, what it is, limit, whether it must reach it
    ("start_median", "word starts, median error, s", 0.060, False),
    ("end_median", "word ends, median error, s", 0.060, False),
    ("start_within_200_ms", "word starts within 200 ms", 0.95, True),
    ("end_within_200_ms", "word ends within 200 ms", 0.95, True),
    ("segment_median", "segment starts and ends, median error, s", 0.100, False),
    ("within_a_frame", "words within 20 ms of openai/whisper's timing.py", 0.99, True),
    ("words_cost", "wall time with words over without", 1.35, False),
)


def record(minutes: float) -> list[Recording]:
    """A talk with pauses, one with 20 s of noise, tones or silence a minute, and one without a pause."""
    studio = Studio(FOLDER, SEED)
    studio.record("talk", "en", studio.talk("en", minutes * 60))
    studio.record("talk", "fr", studio.talk("fr", minutes * 60))
    _with_gaps(studio, "de", minutes)
    studio.record("no pause", "es", studio.talk("es", 18 * minutes, (0.0, 0.0)))
    return studio.made


def matched(item: Recording, result: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    """(start, end) error in seconds, signed, of each word that was recognized right; late is positive."""
    words = result.get("words", [])
    text = " ".join(word["word"].lower() for word in words)
    for chunk in jiwer.process_words(item.text, text).alignments[0]:
        if chunk.type == "equal":
            for k in range(chunk.ref_end_idx - chunk.ref_start_idx):
                _, start, end = item.words[chunk.ref_start_idx + k]
                word = words[chunk.hyp_start_idx + k]
                yield word["start"] - start, word["end"] - end


def segment_errors(item: Recording, result: Mapping[str, Any]) -> list[float]:
    """Errors in seconds of segments that are one phrase; one that joins two has no true edges."""
    errors = []
    for start, end in item.segments:
        near = min(result["segments"], key=lambda s: abs(s["start"] - start) + abs(s["end"] - end), default=None)
        if near and abs(near["start"] - start) < 1 and abs(near["end"] - end) < 1:
            errors += [abs(near["start"] - start), abs(near["end"] - end)]
    return errors


def figures(pairs: Sequence[tuple[float, float]], segments: Sequence[float]) -> dict[str, float]:
    late = np.array(pairs)
    found: dict[str, float] = {"words": len(late), "segment_median": float(np.median(segments))}
    for name, errors in (("start", late[:, 0]), ("end", late[:, 1])):
        found |= {
            f"{name}_median": float(np.median(abs(errors))),
            f"{name}_95": float(np.percentile(abs(errors), 95)),
            f"{name}_within_200_ms": float(np.mean(abs(errors) <= 0.2)),
            f"{name}_late_median": float(np.median(errors)),
        }
    return found


def measure(minutes: float, model: Path) -> dict[str, dict[str, float]]:
    """Figures by set, and of all sets together under `all`."""
    recordings = record(minutes)
    with ours.serving(model, FOLDER / "server.log") as base:
        results = ours.transcribe_all(base, FOLDER, recordings)
        talks = [item for item in recordings if item.set == "talk"]
        cost = ours.cost_of_words(base, FOLDER, talks)
    found, all_pairs, all_segments = {}, list[tuple[float, float]](), list[float]()
    for item in recordings:
        pairs, segments = list(matched(item, results[item.name])), segment_errors(item, results[item.name])
        found[f"{item.set}, {item.label}"] = figures(pairs, segments or [float("nan")])
        all_pairs += pairs
        all_segments += segments
    found["all"] = {**figures(all_pairs, all_segments), "words_cost": cost}
    if PACKAGES.exists():
        found["all"] |= ours.in_process("reference", str(model))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--model", type=Path, default=TEST_MODEL)
    args = parser.parse_args()
    found = measure(args.minutes, args.model)
    FOLDER.with_suffix(".json").write_text(json.dumps(found, indent=1))
    console = Console(width=150, soft_wrap=True)
    table = Table(title="errors in seconds")
    for column in ("set", *figures([(0.0, 0.0)], [0.0])):
        table.add_column(column)
    for name, row in found.items():
        table.add_row(name, *(f"{row[key]:.4g}" for key in figures([(0.0, 0.0)], [0.0])))
    console.print(table)
    short = 0
    for name, what, limit, least in LIMITS:
        if name not in found["all"]:
            console.print(f"{what}: not measured; see --help")
            continue
        value = found["all"][name]
        met = value >= limit if least else value <= limit
        short += not met
        console.print(f"{what}: {value:.4g}, {'at least' if least else 'at most'} {limit}: {'yes' if met else 'NO'}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
