"""Processor time and memory of a server: its process and all child processes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from endpoint.errors import InvalidRequest

EVERY = 0.5  # seconds between two measurements of the memory, at least
SHARE = 0.02  # most of the time spent measuring: it walks through all pages, and blocks their allocation
MIB = 1024 * 1024


@dataclass
class Usage:
    """cpu_seconds: user and system time since the beginning; peak_mib: most memory, shared pages counted once."""

    cpu_seconds: float = 0.0
    peak_mib: float = 0.0


@dataclass
class Processes:
    """The tree of process `pid`. Raises InvalidRequest when there is none, or it is another user's."""

    pid: int
    _root: psutil.Process = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._root = psutil.Process(self.pid)
            _proportional_bytes(self.pid)
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError) as error:
            raise InvalidRequest(f"--pid {self.pid}: there is no such process") from error
        except PermissionError as error:
            raise InvalidRequest(f"--pid {self.pid}: that process is another user's") from error

    def _all(self) -> Iterator[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            yield from (self._root, *self._root.children(recursive=True))

    def cpu_seconds(self) -> float:
        """Of all processes that run, and of those that ended and were waited for."""
        total = 0.0
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory_mib(self) -> float:
        """Its pages, where a page that n processes share counts 1/n, and its memory files."""
        pages, mapped, files = 0, set[int](), dict[int, int]()
        for process in self._all():
            with suppress(OSError, psutil.NoSuchProcess):  # it has ended
                pages += _proportional_bytes(process.pid)
                mapped |= _mapped_files(process.pid)
                files |= _open_files(process.pid)
        return (pages + sum(size for inode, size in files.items() if inode not in mapped)) / MIB


def _proportional_bytes(pid: int) -> int:
    """Proportional set size (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def _mapped_files(pid: int) -> set[int]:
    """Inodes of the memory files (memfd) that the process has mapped: those count among its pages."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {int(line.split()[4]) for line in lines if "/memfd:" in line}


def _open_files(pid: int) -> dict[int, int]:
    """Bytes of each memory file that the process holds open, by inode."""
    found = dict[int, int]()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if os.readlink(link).startswith("/memfd:"):
                status = link.stat()
                found[status.st_ino] = status.st_blocks * 512
    return found


@asynccontextmanager
async def watched(processes: Processes | None) -> AsyncIterator[Usage]:
    """The usage of `processes` within the block; None measures nothing."""
    usage = Usage()
    if processes is None:
        yield usage
        return

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            usage.peak_mib = max(usage.peak_mib, await asyncio.to_thread(processes.memory_mib))
            await asyncio.sleep(max(EVERY, (time.perf_counter() - began) / SHARE))

    before, task = processes.cpu_seconds(), asyncio.create_task(watch())
    try:
        yield usage
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        usage.cpu_seconds = processes.cpu_seconds() - before
        usage.peak_mib = max(usage.peak_mib, processes.memory_mib())
