"""What webhooks are tested with: a receiver on a socket, and an outbox in memory with a clock that is set by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from endpoint.errors import StoreUnavailable
from endpoint.jobs.job import Delivery
from endpoint.jobs.store import LEASE_SECONDS


@dataclass
class Clock:
    now: float = field(default_factory=lambda: time.time() - 200)

    def __call__(self) -> float:
        return self.now


class Outbox:
    """The four methods of a store that deliveries go through."""

    def __init__(self, clock: Clock, *deliveries: Delivery) -> None:
        self.clock = clock
        self.waiting = {delivery.id: delivery for delivery in deliveries}
        self.leased: dict[str, float] = {}
        self.given_up: list[Delivery] = []
        self.done: list[str] = []
        self.unavailable = 0  # calls that fail from now on
        self.unmarked = 0  # calls of `delivered` that do

    def _up(self) -> None:
        if self.unavailable:
            self.unavailable -= 1
            raise StoreUnavailable("no disk")

    async def take_deliveries(self, owner: str, limit: int = 10, seconds: float = LEASE_SECONDS) -> Sequence[Delivery]:
        self._up()
        now = self.clock()
        free = [one for one in self.waiting.values() if one.due <= now and self.leased.get(one.id, 0.0) <= now]
        self.leased |= {one.id: now + seconds for one in free[:limit]}
        return free[:limit]

    async def delivered(self, delivery: Delivery) -> None:
        self._up()
        if self.unmarked:
            self.unmarked -= 1
            raise StoreUnavailable("no disk")
        del self.waiting[delivery.id]
        self.done.append(delivery.id)

    async def not_delivered(self, delivery: Delivery, failed: str, due: float | None) -> None:
        self._up()
        self.leased.pop(delivery.id)
        later = replace(delivery, attempts=delivery.attempts + 1, failed=failed, due=due or 0.0)
        if due is None:
            del self.waiting[delivery.id]
            self.given_up.append(later)
        else:
            self.waiting[delivery.id] = later

    async def failed_deliveries(self, limit: int = 100) -> Sequence[Delivery]:
        return self.given_up[:limit]

    @property
    def only(self) -> Delivery:
        (delivery,) = self.waiting.values()
        return delivery


@dataclass
class Receiver:
    """Gives the listed responses one after the other, then 200. A response is a status, with headers; 0 hangs."""

    responses: list[tuple[int, str]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?token=abc"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append((lines[0], headers, body))
            self.arrived.set()
            status, extra = self.responses.pop(0) if self.responses else (200, "")
            if status == 0:
                await asyncio.Event().wait()
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{extra}\r\n".encode())
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*responses: int | tuple[int, str]) -> AsyncIterator[Receiver]:
    receiver = Receiver([(one, "") if isinstance(one, int) else one for one in responses])
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(receiver.take(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
        await server.wait_closed()
