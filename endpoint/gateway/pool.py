"""The engine servers of a gateway: which are ready, what they serve, and who gets the next recording."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import structlog

from endpoint.codec import CodecError, decode
from endpoint.errors import EndpointError, NotReady
from endpoint.gateway.wire import INFO, PING_SECONDS, TOKEN_HEADER, Info

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5  # between looks at a server
LOOK_SECONDS = 5.0  # longest a look may take; then the server is not ready
WAIT_SECONDS = 10.0  # how long work waits for a server where none is ready, as while the last one restarts
CONNECT_SECONDS = 2.0
SILENCE_SECONDS = 6 * PING_SECONDS  # after which a server that sends nothing has failed
IDLE_SECONDS = 4.0  # unused connections are closed before the server closes them: uvicorn does after 5


class EngineLost(Exception):
    """The connection to a server broke, or it is none that can be used. begun: it had begun with the work."""

    def __init__(self, why: str, *, begun: bool) -> None:
        super().__init__(why)
        self.begun = begun


@dataclass(eq=False)
class EngineServer:
    """One of the servers.

    ready: it takes work, as far as is known. why: it is not. info: what it served last; None before it was reached.
    audio_seconds: of the work it has from this gateway, estimated until its length is known. turn: of its last work.
    """

    base: str
    ready: bool = False
    why: str = "not reached yet"
    info: Info | None = None
    audio_seconds: float = 0.0
    turn: int = 0

    def serves(self, model: str) -> bool:
        return self.info is not None and model in self.info.models


class Share:
    """Work of one recording at a server, for the length of the block. Its seconds can be corrected."""

    def __init__(self, server: EngineServer, audio_seconds: float) -> None:
        self.server, self._seconds = server, 0.0
        self.correct(audio_seconds)

    def correct(self, audio_seconds: float) -> None:
        self.server.audio_seconds += audio_seconds - self._seconds
        self._seconds = audio_seconds

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self.correct(0.0)


class Pool:
    """A handful of engine servers, each looked at all the time. `start` before, `close` after; one event loop."""

    def __init__(self, addresses: Sequence[str], token: str, learned: Callable[[], None]) -> None:
        """learned: called when a server serves other models than before."""
        self.servers = tuple(EngineServer(address) for address in addresses)
        self._token, self._learned = token, learned
        self._looking = list[asyncio.Task[None]]()
        self._changed = asyncio.Event()
        self._turn = 0
        self._last_ready = dict[str, float]()  # by model

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, use_dns_cache=False),
            headers={TOKEN_HEADER: self._token, "user-agent": "whisper-endpoint"},
            skip_auto_headers=("accept", "accept-encoding", "content-type"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._looking = [asyncio.create_task(self._watch(one), name=f"look at {one.base}") for one in self.servers]

    async def close(self) -> None:
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)
        if self._looking:
            await self._session.close()

    def check(self, model: str) -> None:
        """Raises NotReady where no server has been ready for the model for WAIT_SECONDS."""
        if any(one.ready and one.serves(model) for one in self.servers):
            return
        if asyncio.get_running_loop().time() > self._last_ready.get(model, float("-inf")) + WAIT_SECONDS:
            raise _none_ready(model)

    def lost(self, server: EngineServer, why: str) -> None:
        """It takes no more work until it has been looked at."""
        if server.ready:
            log.warning("engine server lost", engine=server.base, why=why)
        server.ready, server.why = False, why

    # ---- who gets the work

    async def share(self, model: str, audio_seconds: float, avoid: Container[EngineServer]) -> Share:
        """Work for the server that has the least audio in flight.

        Waits up to WAIT_SECONDS for one that is ready. Raises NotReady, also where all that are ready are in `avoid`.
        """
        server = await self._free(model, avoid)
        self._turn += 1
        server.turn = self._turn
        return Share(server, audio_seconds)

    async def _free(self, model: str, avoid: Container[EngineServer]) -> EngineServer:
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    changed = self._changed
                    ready = [one for one in self.servers if one.ready and one.serves(model)]
                    able = [one for one in ready if one not in avoid]
                    if able:
                        return min(able, key=lambda one: (one.audio_seconds, one.turn))
                    if ready:
                        break
                    await changed.wait()
        raise _none_ready(model)

    # ---- requests

    async def lines(
        self, server: EngineServer, path: str, headers: Mapping[str, str], size: int, body: AsyncIterator[bytes]
    ) -> AsyncGenerator[tuple[bytes, bytes], None]:
        """The lines of a response, as (kind, document). Closing the generator closes the connection.

        size: of the body, in bytes. Raises EngineLost.
        """
        begun = False
        try:
            async with await self._post(server.base + path, headers, size, body) as response:
                if response.status != 200:
                    raise EngineLost(f"status {response.status}", begun=False)
                begun, rest = True, b""
                async for piece in response.content.iter_any():
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        kind, _, document = line.partition(b" ")
                        yield kind, document
        except aiohttp.ClientError as error:
            raise EngineLost(f"{type(error).__name__}: {error}", begun=begun) from error

    async def _post(
        self, url: str, headers: Mapping[str, str], size: int, body: AsyncIterator[bytes]
    ) -> aiohttp.ClientResponse:
        """The response as soon as it begins. A server that takes nothing more of the body is lost, too."""
        limit, clock = asyncio.timeout(SILENCE_SECONDS), asyncio.get_running_loop().time

        async def watched() -> AsyncIterator[bytes]:
            async for piece in body:
                yield piece
                if not response:  # else it came before all was sent, and the limit is no more
                    limit.reschedule(clock() + SILENCE_SECONDS)

        response: aiohttp.ClientResponse | None = None
        sent = {**headers, "content-length": str(size)}
        try:
            async with limit:
                response = await self._session.post(url, data=watched(), headers=sent, allow_redirects=False)
        except TimeoutError as error:
            raise EngineLost(f"nothing came for {SILENCE_SECONDS:g} s", begun=False) from error
        return response

    # ---- looking

    async def _watch(self, server: EngineServer) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    self.found(server, await self._look(server))
            except (EndpointError, CodecError, aiohttp.ClientError, TimeoutError) as error:
                why = error.message if isinstance(error, EndpointError) else f"{type(error).__name__}: {error}"
                self.lost(server, why)
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self, server: EngineServer) -> Info:
        async with self._session.get(server.base + INFO, allow_redirects=False) as response:
            if response.status != 200:
                hint = {401: ": it has another ENGINE_TOKEN", 404: ": it has no ENGINE_TOKEN"}.get(response.status, "")
                raise NotReady(f"status {response.status}{hint}")
            return decode(Info, await response.read())

    def found(self, server: EngineServer, info: Info) -> None:
        """It is ready, and serves this."""
        if not server.ready:
            log.info("engine server ready", engine=server.base, models=list(info.models))
        server.ready, server.why = True, ""
        self._last_ready |= dict.fromkeys(info.models, asyncio.get_running_loop().time())
        if info != server.info:
            server.info = info
            self._learned()
        self._changed.set()
        self._changed = asyncio.Event()


def _none_ready(model: str) -> NotReady:
    return NotReady(f"no engine server is ready for {model}; try again in a few seconds")
