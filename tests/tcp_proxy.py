"""A TCP proxy that makes a connection slow, cuts it, or lets it fall silent."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 1 << 16
CUT = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class TcpProxy:
    """latency: seconds that every piece waits, in both directions. reset: connections are cut, new ones, too.

    silent: nothing is passed on, and nothing is closed. forget(): the same, for good, for the connections there are.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._forgotten: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.latency = 0.0
        self.silent = False
        self.reset = False

    def cut(self) -> None:
        """Reset every connection that there is."""
        for writer in self._writers:
            if writer.is_closing():  # cut before, or closed by its client
                continue
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT)
            writer.transport.abort()

    def forget(self) -> None:
        self._forgotten |= self._writers

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if self.reset:
            self.cut()
            return
        try:
            there, out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # refused, as its server refuses
            self._writers.discard(writer)
            writer.transport.abort()
            return
        self._writers.add(out)
        for source, sink in ((reader, out), (there, writer)):
            task = asyncio.create_task(self._copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(AT_ONCE):
                await asyncio.sleep(self.latency)
                if not self.silent and sink not in self._forgotten:
                    sink.write(data)
                    await sink.drain()
        except OSError:
            pass
        finally:
            sink.transport.abort()
            self._writers.discard(sink)

    async def end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
        await server.wait_closed()
