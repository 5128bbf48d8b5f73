"""Engine servers in threads whose work waits at gates, and a fleet of them in this event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from endpoint.call import Call, Stage
from endpoint.config import Settings
from endpoint.core.transcriber import Progress
from endpoint.gateway.fleet import Fleet
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from tests.api_support import StandIn, content

TOKEN = "the-token-of-the-tests"
WAIT_SECONDS = 60.0  # for what must come


class Gated(StandIn):
    """A stand-in whose work waits at two gates: before its first segment, and after its last one.

    seen: the calls. windows: numbers of those that it decoded, one for each segment.
    """

    def __init__(self, *, before: bool = True, after: bool = True) -> None:
        """before, after: whether the gates are open."""
        super().__init__()
        self.before, self.after = threading.Event(), threading.Event()
        for gate, opened in ((self.before, before), (self.after, after)):
            if opened:
                gate.set()
        self.seen: list[Call] = []
        self.windows: list[int] = []

    async def _transcribe(self, data: bytes | MemoryFile, options: Options, call: Call, emit) -> None:
        self.calls.append((content(data), options))
        self.seen.append(call)
        self.running += 1
        try:
            await self._work(options, call, emit)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def _work(self, options: Options, call: Call, emit) -> None:
        segments = self.transcript.segments
        await call.admit(self.transcript.duration_ms / 1000)
        call.record.add(Stage.ENGINE, spent=1.5)
        emit(Progress(0, len(segments)))
        await passed(self.before)
        if self.failure is not None:
            raise self.failure
        for number, settled in enumerate(segments):
            if call.checkpoint is None or number not in call.checkpoint.found:
                self.windows.append(number)
                if call.checkpoint is not None:
                    await call.checkpoint.save(number, b"window %d" % number)
            emit(Progress(number + 1, len(segments), (settled,)))
        await passed(self.after)
        emit(replace(self.transcript, task=options.task))


async def passed(gate: threading.Event) -> None:
    await until(gate.is_set)


async def until(condition) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.01)


def port_of(base: str) -> int:
    port = urlsplit(base).port
    assert port is not None
    return port


@asynccontextmanager
async def fleet_of(*bases: str, **settings: object) -> AsyncIterator[Fleet]:
    """The models of these engine servers, all of which are ready."""
    fleet = Fleet(Settings(engines=",".join(bases), engine_token=TOKEN, **settings))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await fleet.start()
        await until(lambda: all(server.ready for server in fleet.pool.servers))
        yield fleet
    finally:
        await fleet.close()
