"""Who sends a request, found before anything else is done with it; and which scope a route needs."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from endpoint.access.service import Admitted, Keys
from endpoint.api.errors import error_response
from endpoint.api.state import ServerState, caller_of
from endpoint.caller import Scope
from endpoint.errors import EndpointError, InvalidKey, PermissionDenied

# Platforms and browsers read these without a key. `POST /` needs one, as it takes recordings.
OPEN = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
_ASSETS = ("/docs/", "/page/")
# Of Azure's clients; and for proxies that use the bearer header themselves, so these come before it.
_OWN_HEADERS = ("x-api-key", "api-key")
_PROTOCOL = "openai-insecure-api-key."  # browsers cannot send headers with a socket, only names of protocols
REFUSED, UNAVAILABLE = 1008, 1013  # of RFC 6455


class Authentication:
    """ASGI middleware: puts the caller into the request's state, or responds with 401 without reading the body.

    `state["caller"]`: a Caller. `state["session"]`: what a client secret was made for, else None.
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app = app
        self._keys = keys

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_open(scope):
            await self.app(scope, receive, send)
            return
        try:
            admitted = await authenticate(self._keys, scope)
        except EndpointError as error:  # InvalidKey, StoreUnavailable
            if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
                code = REFUSED if isinstance(error, InvalidKey) else UNAVAILABLE
                await send({"type": "websocket.close", "code": code})  # before accepting it, so the status is 403
                return
            scope.setdefault("state", {})["error_code"] = error.code  # for the log
            await error_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {}).update(caller=admitted.caller, session=admitted.session)
        await self.app(scope, receive, send)


async def authenticate(keys: Keys, scope: AsgiScope) -> Admitted:
    """Who sends a request or opens a socket. Raises InvalidKey, StoreUnavailable."""
    return await keys.admit(_sent(scope))


class Needs:
    """A dependency of routes: the caller must have one of these scopes."""

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = frozenset(scopes)

    async def __call__(self, connection: HTTPConnection) -> None:
        """Raises PermissionDenied."""
        if not self.scopes & caller_of(connection).scopes:
            missing = " or ".join(f"`{scope}`" for scope in sorted(self.scopes))
            raise PermissionDenied(f"This API key may not do this. Missing scope: {missing}.")


def needs(server: ServerState, *scopes: Scope) -> list[Any]:
    """Dependencies of routes: one of these scopes, also shown in OpenAPI. Without keys there are none."""
    if server.keys is None:
        return []
    return [Security(HTTPBearer(auto_error=False)), Depends(Needs(*scopes))]


def _is_open(scope: AsgiScope) -> bool:
    path = scope["path"]
    return scope.get("method") in ("GET", "HEAD") and (path in OPEN or path.startswith(_ASSETS))


def _sent(scope: AsgiScope) -> bytes:
    """The key of a request; empty without one."""
    headers = Headers(scope=scope)
    own = next((value for name in _OWN_HEADERS if (value := headers.get(name, "").strip())), "")
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    protocols = scope.get("subprotocols", ()) if scope["type"] == "websocket" else ()
    protocol = next((one.removeprefix(_PROTOCOL) for one in protocols if one.startswith(_PROTOCOL)), "")
    return (own or (bearer.strip() if kind.lower() == "bearer" else "") or protocol).encode("latin-1")
