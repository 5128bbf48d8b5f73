"""The key that requests must bring, asked for before anything else is done for them."""

from __future__ import annotations

import hmac
from typing import Any

from fastapi import Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from endpoint.api.errors import error_response
from endpoint.config import Settings
from endpoint.errors import InvalidKey

# What platforms and browsers ask for without a key. `POST /` is no page: it takes recordings.
_OPEN = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
_ASSETS = "/docs/"
_OTHER_HEADERS = ("api-key", "x-api-key")  # Azure's; and for where a proxy takes the bearer header for itself


class SharedKey:
    """ASGI middleware: one key for everybody, in `Authorization: Bearer`, `api-key` or `X-API-Key`.

    Answers 401 without reading the body.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_open(scope):
            await self.app(scope, receive, send)
            return
        sent = _sent(scope)
        if sent is not None and hmac.compare_digest(sent, self._key):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            wrong = "This API key is not the server's." if sent else "There is no API key in the request."
            error = InvalidKey(f"{wrong} Send the header `Authorization: Bearer KEY`.")
            scope.setdefault("state", {})["error_code"] = error.code  # for the log
            await error_response(error)(scope, receive, send)


def key_documented(settings: Settings) -> list[Any]:
    """Dependencies of the routes that need the key: by them OpenAPI says so, and /docs asks for it."""
    return [Security(HTTPBearer(auto_error=False))] if settings.api_key else []


def _is_open(scope: Scope) -> bool:
    path = scope["path"]
    return scope.get("method") in ("GET", "HEAD") and (path in _OPEN or path.startswith(_ASSETS))


def _sent(scope: Scope) -> bytes | None:
    """The key in the header; None if there is none. Azure's clients have a header of their own."""
    headers = Headers(scope=scope)
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        key = next((headers[name] for name in _OTHER_HEADERS if name in headers), "")
    return key.strip().encode("latin-1") or None
