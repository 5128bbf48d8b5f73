"""A response of server-sent events, with pings. It begins once the file is known to be audio.

sse-starlette is not used: it ends every stream as soon as the server gets a signal to stop, while this server finishes
them. And an error after the headers must still reach the client, as an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from endpoint.api.connection import while_connected
from endpoint.api.errors import ClientGone, error_body
from endpoint.errors import EndpointError
from endpoint.text.events import PING, frame

log = structlog.get_logger(__name__)

PING_SECONDS = 15.0
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # so that nginx does not buffer events


class EventStream(Response):
    """Sends each event of `events` at once. An empty event only begins the response.

    held: resources of the request, such as its permit and its deadline; released at the end.
    An error before the first event is raised, and gives a response with its own status. A later error is sent as the
    last event.
    """

    media_type = "text/event-stream"
    ping, ping_seconds = PING, PING_SECONDS

    def __init__(self, events: AsyncGenerator[bytes, None], held: AsyncExitStack) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._events, self._held = events, held
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        last = b""
        try:
            async with self._held:
                await while_connected(receive, self._send_all(send))
        except ClientGone:
            if not self._begun:
                raise
            return
        except EndpointError as error:
            if not self._begun:
                raise
            scope.setdefault("state", {})["error_code"] = error.code  # for the log
            last = self.failure(error)
        except Exception:
            if not self._begun:
                raise
            log.exception("stream failed")
            last = self.failure(EndpointError("The server failed; its log has the details."))
        await send({"type": "http.response.body", "body": last})

    def failure(self, error: EndpointError) -> bytes:
        """The last event of a stream that fails."""
        return frame(error_body(error))

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            coming: asyncio.Future[bytes] | None = None
            try:
                while True:
                    coming = coming or asyncio.ensure_future(anext(events))
                    await asyncio.wait({coming}, timeout=self.ping_seconds if self._begun else None)
                    if not coming.done():
                        await self._send(self.ping, send)
                        continue
                    event, coming = coming.result(), None
                    await self._send(event, send)
            except StopAsyncIteration:
                return
            finally:
                if coming is not None:
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)

    async def _send(self, event: bytes, send: Send) -> None:
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if event:
            await send({"type": "http.response.body", "body": event, "more_body": True})
