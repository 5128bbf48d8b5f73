"""Processor time and memory of a process and those it starts."""

from __future__ import annotations

import asyncio
import mmap
import os
import subprocess
import sys

import pytest

from endpoint.bench.usage import Processes, watched
from endpoint.errors import InvalidRequest

# A process whose child holds 50 MiB and computes, and tells when it is at it.
PROGRAM = """
import subprocess, sys
child = '''
import sys, time
held = bytearray(50 * 1024 * 1024)
held[::4096] = b"x" * len(held[::4096])
end = time.process_time() + 0.3
while time.process_time() < end: pass
print("done", flush=True)
sys.stdin.read()
'''
subprocess.run([sys.executable, "-c", child])
"""


def started(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def test_a_tree_is_counted_as_a_whole() -> None:
    with started(PROGRAM) as root:
        assert root.stdin is not None
        assert root.stdout is not None
        async with watched(Processes(root.pid)) as usage:
            assert await asyncio.to_thread(root.stdout.readline) == "done\n"
        root.stdin.close()
    assert 0.2 < usage.cpu_seconds < 5
    assert 50 < usage.peak_mib < 300


async def test_a_process_that_ended_is_no_error() -> None:
    with started("input()") as root:
        assert root.stdin is not None
        async with watched(Processes(root.pid)) as usage:
            root.stdin.close()
            await asyncio.to_thread(root.wait)
    assert usage.cpu_seconds <= 0.1


async def test_nothing_is_watched_without_a_process() -> None:
    async with watched(None) as usage:
        pass
    assert (usage.cpu_seconds, usage.peak_mib) == (0.0, 0.0)


def test_memory_files_count_whether_mapped_or_not() -> None:
    myself = Processes(os.getpid())
    before = myself.memory_mib()
    file = os.memfd_create("sound")
    os.write(file, bytes(100 * 1024 * 1024))
    opened = myself.memory_mib()
    with mmap.mmap(file, 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE):
        os.close(file)
        mapped = myself.memory_mib()
    assert opened - before == pytest.approx(100, abs=15)
    assert mapped - before == pytest.approx(100, abs=15)
    assert myself.memory_mib() - before == pytest.approx(0, abs=15)


def test_a_wrong_number_is_refused() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with pytest.raises(InvalidRequest, match=f"--pid {gone.pid}: there is no such process"):
        Processes(gone.pid)
    assert Processes(os.getpid()).memory_mib() > 10
