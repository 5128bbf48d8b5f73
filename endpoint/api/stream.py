"""Server-sent events as a response: headers once the file is known to be audio, pings, and nothing after the client.

Not sse-starlette: it ends every stream as soon as the server is told to stop, and ours drains; and a failure after
the headers must still reach the client, as an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from endpoint.api.errors import ClientGone, error_body
from endpoint.api.limits import while_connected
from endpoint.errors import EndpointError
from endpoint.text.events import PING, frame

log = structlog.get_logger(__name__)

PING_SECONDS = 15.0
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # nginx would hold events back

Emit = Callable[[bytes], None]


class EventStream(Response):
    """Runs `work`, which is handed a function to send events with; b"" only says that the answer has begun.

    held: what the request holds, such as its place and its deadline; let go at the end.
    A failure before the first event is raised, for an answer with its own status; after it, it is the last event.
    """

    media_type = "text/event-stream"

    def __init__(self, work: Callable[[Emit], Coroutine[Any, Any, None]], held: AsyncExitStack) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._work, self._held = work, held
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
            last = frame(error_body(error))
        except Exception:
            if not self._begun:
                raise
            log.exception("stream failed")
            last = frame(error_body(EndpointError("The server failed; its log tells more.")))
        await send({"type": "http.response.body", "body": last})

    async def _send_all(self, send: Send) -> None:
        events = asyncio.Queue[bytes | None]()
        working = asyncio.ensure_future(self._work(events.put_nowait))
        working.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await _next(events, PING if self._begun else None)) is not None:
                await self._send(event, send)
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _send(self, event: bytes, send: Send) -> None:
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if event:
            await send({"type": "http.response.body", "body": event, "more_body": True})


async def _next(events: asyncio.Queue[bytes | None], otherwise: bytes | None) -> bytes | None:
    """The next event; `otherwise` if there is none for a while."""
    if otherwise is None:
        return await events.get()
    try:
        return await asyncio.wait_for(events.get(), PING_SECONDS)
    except TimeoutError:
        return otherwise
