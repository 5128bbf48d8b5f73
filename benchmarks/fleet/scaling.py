"""The fake engine at the pace of a real one: as many times the clips for as many actors take the same time."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fleet.clips import clip_folder, rows, start_batch
from tests.ray_cluster import ray_cluster

ACTORS = (1, 2, 4, 8)
LEAST = 0.95
AT_ONCE, DELAY = 4, 1.0  # 4 windows a second: what whisper-base does on two cores, and 30 times less than on an H200
SECONDS = 50.0  # of the engine's work, for each actor
STORE_BYTES = 2 << 30  # a node's object store: less than a tenth of this machine's memory
SETTINGS = {"ENGINE": "fake", "LOG_LEVEL": "warning", "VAD_FILTER": "true"}


def check(folder: Path, count: int) -> Iterator[tuple[bool, str]]:
    """count: not used; clips come several times, by links."""
    each = int(SECONDS / DELAY * AT_ONCE)
    base = clip_folder(folder, 100)
    speeds = {}
    with ray_cluster(1, 16, STORE_BYTES) as cluster:
        for actors in ACTORS:
            source, output = folder / f"scaling-{actors}", folder / f"scaling-{actors}-output"
            _link(base, source, each * actors)
            shutil.rmtree(output, ignore_errors=True)
            log = (folder / "scaling-windows.txt").absolute()
            log.unlink(missing_ok=True)
            engine = json.dumps({"delay": DELAY, "at_once": AT_ONCE, "log": str(log)})
            flags = ("--address", cluster.address, "--actors", str(actors))
            run = start_batch(source, output, *flags, ENGINE_ARGS=engine, **SETTINGS)
            _, errors = run.communicate(timeout=900)
            assert run.returncode == 0, errors[-2000:]
            assert len(rows(output)) == each * actors
            speeds[actors], seconds = _speed(log, actors)
            share = speeds[actors] / actors / (AT_ONCE / DELAY)
            yield (
                share >= LEAST,
                f"{actors} actors: {speeds[actors]:.2f} windows/s in {seconds:.0f} s, {share:.1%} of their pace",
            )
    for actors in ACTORS[1:]:
        share = speeds[actors] / actors / speeds[1]
        yield share >= LEAST, f"{actors} actors: {share:.1%} of {actors} times one actor"


def _link(base: list[Path], source: Path, count: int) -> None:
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for number in range(count):
        os.link(base[number % len(base)], source / f"{number:05d}.wav")


def _speed(log: Path, actors: int) -> tuple[float, float]:
    """Windows a second while all actors work, and for how many seconds that was.

    Before, some are still starting; after it some have nothing left.
    """
    begun = dict[str, list[float]]()
    for line in log.read_text().splitlines():
        at, process, _ = line.split()
        begun.setdefault(process, []).append(float(at))
    assert len(begun) == actors
    first, last = max(min(times) for times in begun.values()), min(max(times) for times in begun.values())
    return sum(first <= at < last for times in begun.values() for at in times) / (last - first), last - first
