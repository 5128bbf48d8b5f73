"""Processor time and memory of a server: of its process and all that it started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psutil

from endpoint.errors import InvalidRequest

EVERY = 0.5  # seconds between two looks at the memory
MIB = 1024 * 1024


@dataclass
class Usage:
    """cpu_seconds: user and system time since the beginning; peak_mib: most memory seen, pages that are shared once."""

    cpu_seconds: float = 0.0
    peak_mib: float = 0.0


@dataclass
class Processes:
    """The tree of process `pid`. Raises InvalidRequest when there is none, or it is somebody else's."""

    pid: int
    _root: psutil.Process = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._root = psutil.Process(self.pid)
            self._root.memory_full_info()
        except psutil.NoSuchProcess as error:
            raise InvalidRequest(f"--pid {self.pid}: there is no such process") from error
        except psutil.AccessDenied as error:
            raise InvalidRequest(f"--pid {self.pid}: that process is another user's") from error

    def _all(self) -> Iterator[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            yield from (self._root, *self._root.children(recursive=True))

    def cpu_seconds(self) -> float:
        """Of all processes that live, and of those that ended and were waited for."""
        total = 0.0
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory_mib(self) -> float:
        """Proportional set size: a page that n processes share counts 1/n in each of them."""
        total = 0
        for process in self._all():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
        return total / MIB


@asynccontextmanager
async def watched(processes: Processes | None) -> AsyncIterator[Usage]:
    """What `processes` use within the block; None is not watched."""
    usage = Usage()
    if processes is None:
        yield usage
        return

    async def watch() -> None:
        while True:
            usage.peak_mib = max(usage.peak_mib, await asyncio.to_thread(processes.memory_mib))
            await asyncio.sleep(EVERY)

    before, task = processes.cpu_seconds(), asyncio.create_task(watch())
    try:
        yield usage
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        usage.cpu_seconds = processes.cpu_seconds() - before
        usage.peak_mib = max(usage.peak_mib, processes.memory_mib())
