"""Removes superfluous slashes from paths, so that they lead to the same route."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")


class PlainPath:
    """ASGI middleware. It changes the path instead of redirecting, as a client would send a redirected upload twice."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["path"] = plain_path(scope["path"])
        await self.app(scope, receive, send)


def plain_path(path: str) -> str:
    """The path without doubled slashes and without one at its end."""
    return _SLASHES.sub("/", path).rstrip("/") or "/"
