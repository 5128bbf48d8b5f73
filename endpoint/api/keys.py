"""Checks the API key of a request, before anything else is done with it."""

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

# Platforms and browsers read these without a key. `POST /` needs one, as it takes recordings.
_OPEN = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
_ASSETS = "/docs/"
_OTHER_HEADERS = ("api-key", "x-api-key")  # of Azure's clients; and for proxies that use the bearer header themselves


class SharedKey:
    """ASGI middleware: one key for all callers, in `Authorization: Bearer`, `api-key` or `X-API-Key`.

    Responds with 401 without reading the body.
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
            await send({"type": "websocket.close", "code": 1008})  # before accepting it, so the status is 403
        else:
            wrong = "This API key is not the server's." if sent else "There is no API key in the request."
            error = InvalidKey(f"{wrong} Send the header `Authorization: Bearer KEY`.")
            scope.setdefault("state", {})["error_code"] = error.code  # for the log
            await error_response(error)(scope, receive, send)


def key_documented(settings: Settings) -> list[Any]:
    """Dependencies for the routes that need the key. They only document it: in OpenAPI, and as a field in /docs."""
    return [Security(HTTPBearer(auto_error=False))] if settings.api_key else []


def _is_open(scope: Scope) -> bool:
    path = scope["path"]
    return scope.get("method") in ("GET", "HEAD") and (path in _OPEN or path.startswith(_ASSETS))


def _sent(scope: Scope) -> bytes | None:
    """The key in one of the headers, None without any."""
    headers = Headers(scope=scope)
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        key = next((headers[name] for name in _OTHER_HEADERS if name in headers), "")
    return key.strip().encode("latin-1") or None
