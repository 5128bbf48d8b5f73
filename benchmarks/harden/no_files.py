"""Uploads where the root is read-only and the folder for temporary files empty: none is written."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks.chaos.processes import die_with_parent, endpoint
from benchmarks.harden.mutated import corpus
from benchmarks.harden.report import Found, Line
from endpoint.config import environment
from endpoint.net import free_port

START_SECONDS = 300.0
# In a mount namespace, which ends with the server.
SCRIPT = """
set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
mount -t tmpfs none /dev/shm
mount -o remount,bind,ro /
if touch "$2/written" 2>/dev/null; then echo "the root can be written"; exit 3; fi
shift 2
exec "$@"
"""


def possible() -> bool:
    """Whether this process may make a mount namespace and a mount in it."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--mount", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs none /dev/shm"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@contextmanager
def enclosed(folder: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """A server with the fake engine: its address, its folder in /proc, and the folders that it can write to."""
    temporary, port = folder / "temporary", free_port()
    temporary.mkdir(parents=True, exist_ok=True)
    settings = {"ENGINE": "fake", "JOBS_URL": "off", "DECODE_WORKERS": "2", "API_PROCESSES": "1"}
    settings |= {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary), "VAD_FILTER": "false"}
    command = endpoint("serve", "--host", "127.0.0.1", "--port", str(port))
    with (folder / "server.log").open("wb") as output:
        server = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(temporary), str(folder), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment() | settings,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one thread forks
        )
    try:
        process = Path(f"/proc/{server.pid}")
        inside = process / "root"
        yield f"http://127.0.0.1:{port}", process, [inside / str(temporary).lstrip("/"), inside / "dev" / "shm"]
    finally:
        server.terminate()
        server.wait(60)


async def check(folder: Path, small: bool) -> Found:
    if not possible():
        return Found([Line("a mount namespace can be made", "yes", "no: run it as root", False)])
    count, statuses, files = 12 if small else 100, Counter[int](), corpus()
    large = bytes(8 << 20)  # no sound, and more than is kept in one piece
    with enclosed(folder) as (base, process, writable):
        async with httpx2.AsyncClient(base_url=base, timeout=300) as client:
            await _ready(client)
            for number in range(count):
                data = large if number % 10 == 9 else files[number % len(files)]
                sent = await client.post("/v1/audio/transcriptions", files={"file": ("a", data)})
                statuses[sent.status_code] += 1
            written = [str(path) for place in writable for path in place.rglob("*")]
            held = [path for path in _open(process) if "deleted" in path]
    expected = {200: count - count // 10, 400: count // 10}
    return Found(
        [
            Line(f"statuses of {count} uploads", str(expected), str(dict(statuses)), dict(statuses) == expected),
            Line("files written", "0", f"{len(written)} {written[:3]}", not written),
            Line("files without a name on a disk", "0", f"{len(held)} {held[:3]}", not held),
        ]
    )


async def _ready(client: httpx2.AsyncClient) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if (await client.get("/health")).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        await asyncio.sleep(0.1)
    raise RuntimeError("the server did not start")


def _open(process: Path) -> list[str]:
    """What the process has open, except files in memory (memfd)."""
    fds = process / "fd"
    return [target for fd in os.listdir(fds) if "memfd:" not in (target := os.readlink(fds / fd))]
