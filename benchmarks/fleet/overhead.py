"""`endpoint batch` on one node beside the pipeline alone, over the same clips: from the first result to the last."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.fleet.clips import MODEL, clip_folder, rows, start_batch
from endpoint.call import Call
from endpoint.config import load_settings
from endpoint.core.transcriber import transcribe
from endpoint.options import Options
from endpoint.wiring import build_pipeline

MOST = 0.10
ROUNDS = 3  # in turns, as others may use the machine; the least disturbed of each counts
AT_ONCE = 128
SKIPPED = 0.1  # of the clips at either end, where the stages fill and empty


def check(folder: Path, count: int) -> Iterator[tuple[bool, str]]:
    clips = clip_folder(folder, count)
    alone, batched = [], []
    for _ in range(ROUNDS):
        alone.append(_alone(clips))
        batched.append(_batched(clips, folder / "overhead"))
    best, with_ray = max(alone), max(batched)
    over = best / with_ray - 1
    runs = f"{', '.join(f'{rate:.2f}' for rate in alone)} beside {', '.join(f'{rate:.2f}' for rate in batched)}"
    yield over < MOST, f"{over:+.1%}: {best:.2f} clips/s by the pipeline alone, {with_ray:.2f} by batch ({runs})"


def _alone(clips: Sequence[Path]) -> float:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fleet.overhead", *map(str, clips)]
    done = subprocess.run(command, env={**os.environ, **MODEL}, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _batched(clips: Sequence[Path], output: Path) -> float:
    shutil.rmtree(output, ignore_errors=True)
    run = start_batch(clips[0].parent, output, **MODEL)
    _, errors = run.communicate()
    assert run.returncode == 0, errors[-2000:]
    return _rate([row["finished"].timestamp() for row in rows(output)])


def _rate(moments: Sequence[float]) -> float:
    """Results a second, without those at either end."""
    ordered, skip = sorted(moments), int(len(moments) * SKIPPED)
    first, last = ordered[skip], ordered[-1 - skip]
    return (len(ordered) - 2 * skip - 1) / (last - first)


async def _measure(paths: Sequence[Path]) -> float:
    pipeline, slots, moments = build_pipeline(load_settings()), asyncio.Semaphore(AT_ONCE), list[float]()
    await pipeline.start()
    try:

        async def one(path: Path) -> None:
            async with slots:
                data = await asyncio.to_thread(path.read_bytes)
                await transcribe(pipeline, data, Options(), Call())
                moments.append(time.time())

        await asyncio.gather(*map(one, paths))
    finally:
        await pipeline.close()
    return _rate(moments)


if __name__ == "__main__":
    print(asyncio.run(_measure([Path(name) for name in sys.argv[1:]])))
