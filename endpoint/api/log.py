"""The middleware that logs one line for each request, sets its id and safe headers, and responds to every failure."""

from __future__ import annotations

import logging
import re
import time
import uuid
from http import HTTPStatus
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoint.api.errors import error_response
from endpoint.errors import EndpointError
from endpoint.observe.calls import LEFT, measured
from endpoint.observe.metrics import POLLED, Metrics

log = structlog.get_logger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


class RequestLog:
    """ASGI middleware. Logs and counts route, status, times, audio, outcome; no text, file names, paths or headers."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        began, status = time.monotonic(), 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in _SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_marked)
        except Exception:
            log.exception("request failed", request_id=request_id)
            if status:
                raise  # part of the response has been sent: the server must close the connection
            failure = EndpointError(f"The server failed; its log has the details under {request_id}.")
            await error_response(failure)(scope, receive, send_marked)
        finally:
            route = _route(scope)
            level = logging.DEBUG if route in POLLED else logging.INFO
            elapsed, call = time.monotonic() - began, state.get("call")
            self._metrics.request(route, status, elapsed, state.get("error_code"), call)
            log.log(
                level,
                "request",
                request_id=request_id,
                method=scope["method"],
                route=route,
                status=status,
                ms=round(elapsed * 1000),
                outcome=state.get("error_code") or ("ok" if status < HTTPStatus.BAD_REQUEST else LEFT),
                **({} if call is None else measured(call)),
            )


def _route(scope: Scope) -> str | None:
    """The template of the path; None where there is none. Who is refused before the routes has not been to one."""
    route = scope.get("route")
    if route is None and "app" in scope:
        found = (one.matches(scope) for one in scope["app"].routes)
        route = next((child.get("route") for match, child in found if match is not Match.NONE), None)
    path: str | None = getattr(route, "path", None)
    return path


def _request_id(scope: Scope) -> str:
    """The client's id, if it is short and has safe characters only; else a new one."""
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _SANE_ID.fullmatch(sent) else f"req_{uuid.uuid4().hex}"
