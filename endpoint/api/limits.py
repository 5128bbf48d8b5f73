"""Limits of callers in HTTP: what a request is charged, and the headers that say what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoint.access.charge import Charge, settled
from endpoint.api.errors import ClientGone
from endpoint.api.state import ServerState, caller_of
from endpoint.caller import Caller
from endpoint.errors import StoreUnavailable

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
_CHARGE = "charge"  # where the charge of a request is in its state


def most_bytes(server: ServerState, caller: Caller) -> int:
    """Largest upload: the caller's, and at most the server's."""
    own, most = server.limiter.limits_of(caller).upload_mb, server.settings.max_upload_mb
    return (most if own is None else min(own, most)) * MIB


def body_size(request: Request) -> int:
    """Of the body as its header has it; 0 where it does not say."""
    length = Headers(scope=request.scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0


@asynccontextmanager
async def charged(server: ServerState, request: Request) -> AsyncIterator[Charge]:
    """What a request is charged; corrected at its end, which its response waits for."""
    charge = server.limiter.charge(caller_of(request), request.state.request_id)
    request.scope["state"][_CHARGE] = charge
    left = failed = False
    try:
        yield charge
    except (ClientGone, asyncio.CancelledError, GeneratorExit):
        left = True
        raise
    except BaseException:
        failed = True
        raise
    finally:
        try:
            await settled(charge.close(left=left, failed=failed))
        except StoreUnavailable as error:  # the response is made: it is not lost for this
            log.warning("limits not corrected", why=error.message)


class LimitHeaders:
    """ASGI middleware: `x-ratelimit-...` in responses to requests that were charged, or refused for a limit."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            charge: Charge | None = scope.get("state", {}).get(_CHARGE)
            if message["type"] == "http.response.start" and charge is not None:
                MutableHeaders(scope=message).update(charge.headers)
            await send(message)

        await self.app(scope, receive, send_marked if scope["type"] == "http" else send)
