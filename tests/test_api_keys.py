"""Keys of requests: who is served without one, in which headers they come, and which scope each route needs."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from openai import AuthenticationError, OpenAI
from starlette.routing import Mount, Route
from structlog.testing import capture_logs

from endpoint.access.service import Keys
from endpoint.access.tokens import Mint
from endpoint.api.keys import OPEN, Authentication, Needs
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, app_of, assert_error, client_of, serve
from tests.jobs_memory import memory_jobs

KEY = "sk-" + "canary/+=~"
BEARER = {"authorization": f"Bearer {KEY}"}


def keyed(core: StandIn | None = None, **settings: object) -> httpx.AsyncClient:
    return client_of(core or StandIn(), api_key=KEY, **settings)


ADMIN = {"api_key": KEY, "keys_url": "jobs"}  # with all routes

# Which scope each route needs, without the prefix /api; several: one of them. Nothing else is served without a key.
SCOPES = {
    "transcribe": {
        "POST /v1/audio/transcriptions",
        "POST /v1/audio/translations",
        "POST /v1/audio/detect-language",
        "POST /transcribe",
        "POST /transcribe/{model:path}",
        "POST /transcribe-{model:path}",
        "POST /detect-language",
        "POST /v1/audio/transcripts/render",
        "POST /",
        "POST /openai/deployments/{model}/audio/transcriptions",
        "POST /openai/deployments/{model}/audio/translations",
        "POST /asr",
        "POST /inference",
        "POST /load",
    },
    "jobs": {
        "POST /v1/audio/jobs",
        "GET /v1/audio/jobs",
        "GET /v1/audio/jobs/{job_id}",
        "DELETE /v1/audio/jobs/{job_id}",
        "GET /v1/audio/jobs/{job_id}/events",
        "GET /v1/audio/jobs/{job_id}/result",
        "POST /v1/audio/jobs/{job_id}/cancel",
        "GET /results/{job_id}",
    },
    "realtime": {"POST /v1/realtime/client_secrets", "SOCKET /v1/realtime", "SOCKET /ws/transcribe"},
    "admin": {
        "GET /metrics",
        "POST /v1/audio/jobs/{job_id}/requeue",
        "POST /v1/admin/keys",
        "GET /v1/admin/keys",
        "GET /v1/admin/keys/{key_id}",
        "POST /v1/admin/keys/{key_id}/rotate",
        "POST /v1/admin/keys/{key_id}/revoke",
    },
    "admin jobs realtime transcribe": {
        "GET /v1/caller",
        "GET /v1/models",
        "GET /v1/models/{model:path}",
        "GET /version",
    },
    "": {"GET /", "GET /health", "GET /ready", "GET /docs", "GET /openapi.json", "HEAD /openapi.json"},
}


def scopes_of_routes() -> dict[str, set[str]]:
    """Of the application with all its routes: scopes, and the routes that need one of them."""
    found = dict[str, set[str]]()
    for route in app_of(StandIn(), jobs=memory_jobs(), **ADMIN).routes:
        if isinstance(route, Mount):  # the files of the documentation, which are public as well
            assert route.path in ("/docs", "/page")
            continue
        assert isinstance(route, Route | APIRoute | APIWebSocketRoute), route
        dependencies = route.dependant.dependencies if isinstance(route, APIRoute | APIWebSocketRoute) else ()
        needed = [one.call.scopes for one in dependencies if isinstance(one.call, Needs)]
        assert len(needed) <= 1
        name = " ".join(sorted(needed[0])) if needed else ""
        for method in getattr(route, "methods", ["SOCKET"]) or ():
            found.setdefault(name, set()).add(f"{method} {route.path}")
    return found


def test_every_route_has_its_scope_and_the_public_ones_are_these() -> None:
    expected = {scope: set(routes) for scope, routes in SCOPES.items()}
    for routes in expected.values():
        routes |= {route.replace(" /v1/", " /api/v1/") for route in routes}
    assert scopes_of_routes() == expected
    public = {route.partition(" ")[2] for route in expected[""]}
    assert public == OPEN


async def test_without_a_key_only_pages_and_probes_are_served() -> None:
    core = StandIn()
    async with keyed(core, jobs=memory_jobs(), keys_url="jobs") as client:
        for scope, routes in SCOPES.items():
            for route in routes:
                method, _, path = route.partition(" ")
                if method == "SOCKET":
                    continue
                for before in ("", "/api") if path.startswith("/v1/") else ("",):
                    response = await client.request(method, before + path)
                    if not scope:
                        assert response.status_code == 200, route
                        continue
                    message = assert_error(response, 401, "invalid_api_key")
                    assert "no valid API key" in message
                    assert response.headers["www-authenticate"] == "Bearer"
    assert core.calls == []


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.js", "/openapi.json"])
async def test_the_documentation_is_open(path: str) -> None:
    async with keyed() as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("POST", "/health"),
        ("POST", "/docs/x"),
        ("GET", "//v1/models"),
        ("GET", "/nothing"),
        ("OPTIONS", "/v1/models"),
    ],
)
async def test_nothing_else_is(method: str, path: str) -> None:
    async with keyed() as client:
        assert (await client.request(method, path)).status_code == 401


@pytest.mark.parametrize("path", ["/docs/../v1/models", "/docs/%2e%2e/v1/models", "/docs/..%2fv1/models"])
async def test_no_open_path_leads_to_a_closed_one(path: str) -> None:
    """The path goes to the application directly, as a client would normalize it."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    decoded = path.replace("%2e", ".").replace("%2f", "/")
    scope = {
        "type": "http", "method": "GET", "path": decoded, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "scheme": "http", "server": ("test", 80), "client": ("test", 1), "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    await app_of(StandIn(), api_key=KEY)(scope, receive, send)
    assert sent[0]["status"] == 404


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_key_opens_the_server(scheme: str) -> None:
    headers = {"authorization": f"{scheme} {KEY}"}
    async with keyed() as client:
        response = await client.post("/v1/audio/transcriptions", files={"file": AUDIO}, headers=headers)
        assert response.json()["text"] == TRANSCRIPT.text
        assert (await client.post("/", content=AUDIO, headers=headers)).status_code == 200
        assert (await client.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", f"Basic {KEY}", KEY, f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer schlüssel"]
)
async def test_a_wrong_key_does_not(header: str) -> None:
    with capture_logs() as lines:
        async with keyed() as client:
            response = await client.get("/v1/models", headers={b"authorization": header.encode("latin-1")})
    assert_error(response, 401, "invalid_api_key")
    (line,) = (line for line in lines if line["event"] == "request")
    assert (line["status"], line["outcome"]) == (401, "invalid_api_key")
    assert KEY[:-1] not in f"{response.text} {lines}"


async def test_without_a_key_in_the_settings_every_caller_is_served() -> None:
    async with client_of(StandIn()) as client:
        assert (await client.get("/v1/models")).status_code == 200


async def test_the_documentation_asks_for_the_key_only_where_there_is_one() -> None:
    api = app_of(StandIn(), api_key=KEY).openapi()
    assert "securitySchemes" in api["components"]
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            assert ("security" in operation) != (method == "get" and path in OPEN), path
    assert "securitySchemes" not in app_of(StandIn()).openapi()["components"]


async def test_a_socket_is_closed_before_it_is_open() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent.append("reached")

    async def send(message: Any) -> None:
        sent.append(message)

    def scope(*headers: tuple[bytes, bytes], protocols: tuple[str, ...] = ()) -> dict[str, Any]:
        return {"type": "websocket", "path": "/v1/realtime", "headers": list(headers), "subprotocols": protocols}

    guarded = Authentication(app, Keys(Mint(b"pepper"), None, KEY))
    await guarded(scope(), None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    await guarded(scope((b"authorization", f"Bearer {KEY}".encode())), None, send)
    await guarded(scope(protocols=("realtime", f"openai-insecure-api-key.{KEY}")), None, send)
    await guarded({"type": "lifespan"}, None, send)
    assert sent[1:] == ["reached"] * 3


def test_the_official_client_brings_it_and_is_refused_without() -> None:
    with serve(StandIn(), api_key=KEY) as url:
        with OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            assert client.audio.transcriptions.create(file=AUDIO, model="whisper-1").text == TRANSCRIPT.text
        with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            with pytest.raises(AuthenticationError) as refused:
                client.audio.transcriptions.create(file=AUDIO, model="whisper-1")
            assert refused.value.code == "invalid_api_key"


async def test_the_response_comes_before_the_body_is_sent() -> None:
    """The client announces 100 MB and sends none of it."""
    with serve(StandIn(), api_key=KEY) as url:
        host, port = url.removeprefix("http://").split(":")
        head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n"

        def ask() -> bytes:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(head + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")
                return connection.recv(1000)

        assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 401")
