"""A run over human clips is killed at a node and at its driver, and resumed: each once, with the server's texts."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2

from benchmarks.fleet.clips import MODEL, clip_folder, rows, start_batch
from endpoint.local import running_server
from tests.ray_cluster import ray_cluster

NODES, CPUS = 3, 2
AT_ONCE = 16  # requests of the server's run
LONGEST_SECONDS = 1_800.0


def check(folder: Path, count: int) -> Iterator[tuple[bool, str]]:
    clips = clip_folder(folder, count)
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    with ray_cluster(NODES, CPUS) as cluster:
        flags = ("--address", cluster.address)
        first = start_batch(clips[0].parent, output, *flags, **MODEL)
        _until_rows(output, 1, first)
        cluster.kill(0)
        before = len(rows(output))
        _until_rows(output, max(before + 1, len(clips) // 3), first)
        first.kill()
        first.communicate()
        done = len(rows(output))
        yield done < len(clips), f"a node was killed after {before} clips, the driver after {done} of {len(clips)}"
        began = time.monotonic()
        second = start_batch(clips[0].parent, output, *flags, **MODEL)
        _, errors = second.communicate(timeout=LONGEST_SECONDS)
        last = errors.strip().splitlines()[-3:]
        yield second.returncode == 0, f"resumed in {time.monotonic() - began:.0f} s: {' '.join(last)}"
    found = rows(output)
    paths = {row["path"] for row in found}
    once = len(paths) == len(found) == len(clips)
    yield once, f"{len(found)} rows of {len(paths)} files for {len(clips)} clips"
    wanted = _server_texts(clips)
    other = [row["path"] for row in found if row["text"] != wanted[row["path"]]]
    yield (
        not other,
        f"{len(found) - len(other)} of {len(found)} texts are those of the server{'; not ' if other else ''}"
        + (", ".join(Path(path).name for path in other[:5])),
    )
    report = output / "report.html"
    yield report.exists(), f"{report} has {report.stat().st_size} bytes"


def _until_rows(output: Path, count: int, process: object) -> None:
    end = time.monotonic() + LONGEST_SECONDS
    while len(rows(output)) < count:
        assert process.poll() is None, process.communicate()[1][-2000:]  # type: ignore[attr-defined]
        assert time.monotonic() < end
        time.sleep(0.2)


def _server_texts(clips: Sequence[Path]) -> dict[str, str]:
    with running_server(JOBS_URL="off", **MODEL) as server:
        return asyncio.run(_ask(server.base, clips))


async def _ask(base: str, clips: Sequence[Path]) -> dict[str, str]:
    slots = asyncio.Semaphore(AT_ONCE)
    files = {str(path.absolute()): path.read_bytes() for path in clips}
    async with httpx2.AsyncClient(timeout=600) as client:

        async def one(path: str) -> tuple[str, str]:
            async with slots:
                response = await client.post(f"{base}/v1/audio/transcriptions", files={"file": ("a.wav", files[path])})
            return path, response.raise_for_status().json()["text"]

        return dict(await asyncio.gather(*map(one, files)))
