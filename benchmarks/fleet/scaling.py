"""The fake engine at the pace of a real one: as many times the clips for as many actors take the same time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.fleet.clips import clip_folder, rows, start_batch
from tests.ray_cluster import ray_cluster

ACTORS = (1, 2, 4, 8)
LEAST = 0.95
AT_ONCE, DELAY = 16, 4.0  # 4 windows a second: what whisper-base does on two cores, and 30 times less than on an H200
SECONDS = 60.0  # of the engine's work, for each actor
SETTINGS = {"ENGINE": "fake", "LOG_LEVEL": "warning", "VAD_FILTER": "true"}


def check(folder: Path, count: int) -> Iterator[tuple[bool, str]]:
    """count: not used; clips come several times, by links."""
    each = int(SECONDS / DELAY * AT_ONCE)
    base = clip_folder(folder, 100)
    speeds = {}
    with ray_cluster(1, 16) as cluster:
        for actors in ACTORS:
            source, output = folder / f"scaling-{actors}", folder / f"scaling-{actors}-output"
            _link(base, source, each * actors)
            shutil.rmtree(output, ignore_errors=True)
            engine = f'{{"delay": {DELAY}, "at_once": {AT_ONCE}}}'
            flags = ("--address", cluster.address, "--actors", str(actors))
            run = start_batch(source, output, *flags, ENGINE_ARGS=engine, **SETTINGS)
            _, errors = run.communicate(timeout=900)
            assert run.returncode == 0, errors[-2000:]
            speeds[actors] = _speed(rows(output))
            share = speeds[actors] / actors / (AT_ONCE / DELAY)
            yield (
                share >= LEAST,
                f"{actors} actors: {speeds[actors]:.2f} clips/s, {share:.1%} of what the engines can do",
            )
    for actors in ACTORS[1:]:
        share = speeds[actors] / actors / speeds[1]
        yield share >= LEAST, f"{actors} actors: {share:.1%} of {actors} times one actor"


def _link(base: list[Path], source: Path, count: int) -> None:
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for number in range(count):
        os.link(base[number % len(base)], source / f"{number:05d}.wav")


def _speed(found: list[dict[str, Any]]) -> float:
    """Clips a second between the first and the last window that ended; each wave of the engine ends together."""
    moments = sorted(row["finished"] for row in found)
    first, last = moments[0], moments[-1]
    assert isinstance(first, datetime)
    return (len(found) - 1) / ((last - first).total_seconds() + DELAY)
