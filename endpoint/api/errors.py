"""Errors over HTTP: the table of statuses, the error body, and the handlers that turn exceptions into responses."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from endpoint.errors import (
    DeadlineExceeded,
    EndpointError,
    EngineFailed,
    IdempotencyMismatch,
    InvalidAudio,
    InvalidKey,
    InvalidRequest,
    JobNotFinished,
    JobNotFound,
    KeyNotFound,
    LimitReached,
    MethodNotAllowed,
    ModelNotFound,
    NotReady,
    Overloaded,
    PermissionDenied,
    RequestError,
    ResultExpired,
    RouteNotFound,
    TooLarge,
    Unavailable,
)
from endpoint.observe.calls import LEFT

STATUS: dict[type[EndpointError], int] = {
    InvalidRequest: 400,
    InvalidAudio: 400,
    InvalidKey: 401,
    PermissionDenied: 403,
    ModelNotFound: 404,
    RouteNotFound: 404,
    JobNotFound: 404,
    KeyNotFound: 404,
    MethodNotAllowed: 405,
    JobNotFinished: 409,
    ResultExpired: 410,
    TooLarge: 413,
    IdempotencyMismatch: 422,
    LimitReached: 429,
    RequestError: 400,
    NotReady: 503,
    Overloaded: 503,
    Unavailable: 503,
    DeadlineExceeded: 504,
    EngineFailed: 500,
    EndpointError: 500,
}


class ClientGone(Exception):
    """The client closed the connection, so nobody receives a response."""

    code = LEFT


def status_of(error: EndpointError) -> int:
    """The HTTP status of an error: that of its nearest base class in the table."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def error_body(error: EndpointError) -> dict[str, dict[str, str | None]]:
    """OpenAI's error body: message, type, param and code, all present."""
    body = {
        "message": error.message,
        "type": _type(error),
        "param": error.param,
        "code": error.code,
    }
    return {"error": body}


def _type(error: EndpointError) -> str:
    """As OpenAI has it: a limit says of what there was too much."""
    if isinstance(error, LimitReached):
        return error.kind
    return "invalid_request_error" if status_of(error) < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"


def error_response(error: EndpointError) -> JSONResponse:
    """The error body with its status, and the headers that go with 401, 429 and 503."""
    headers = dict[str, str]()
    if isinstance(error, (Unavailable, LimitReached)):
        headers["retry-after"] = str(error.retry_after)  # seconds
    elif isinstance(error, InvalidKey):
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(error_body(error), status_of(error), headers)


def install_error_handlers(app: FastAPI) -> None:
    """Respond with the error body to exceptions of routes and of the router; `log.RequestLog` handles all others."""
    app.add_exception_handler(EndpointError, _endpoint_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientGone, _client_gone)


def _respond(request: Request, error: EndpointError) -> Response:
    request.state.error_code = error.code  # for the log
    return error_response(error)


async def _endpoint_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EndpointError)
    return _respond(request, error)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.scope["path"][:200]
    translated: EndpointError
    if error.status_code == HTTPStatus.NOT_FOUND:
        translated = RouteNotFound(f"There is nothing at {path}; /docs lists what there is.")
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        translated = MethodNotAllowed(f"{path} does not take {request.method}.")
    else:
        translated = InvalidRequest(str(error.detail))
    response = _respond(request, translated)
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """The methods of all routes at this path, as the router names those of the first only. A mount has files: GET."""
    here = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in here for method in getattr(route, "methods", ())} or {"GET", "HEAD"}


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = str(first["loc"][-1])
    return _respond(request, InvalidRequest(f"{field}: {first['msg']}", param=field))


async def _client_gone(_: Request, error: Exception) -> Response:
    return Response(status_code=499)  # never sent; the log shows it. nginx uses the same number
