import re

import httpx
import pytest
from structlog.testing import capture_logs

from endpoint import __version__, errors
from endpoint.api.errors import STATUS, status_of
from endpoint.api.log import RequestLog
from endpoint.errors import EndpointError, EngineFailed, NotReady
from endpoint.observe.metrics import Metrics
from tests.api_support import AUDIO, StandIn, app_of, assert_error, client_of


async def get(path, core=None, method="GET", **options):
    async with client_of(core or StandIn()) as client:
        return await client.request(method, path, **options)


async def test_health_and_ready():
    core = StandIn()
    for path in ("/health", "/ready"):
        core.state = NotReady("loading", retry_after=3)
        response = await get(path, core)
        assert_error(response, 503, "model_loading")
        assert response.headers["retry-after"] == "3"
        core.state = EngineFailed("the engine died")
        assert_error(await get(path, core), 503, "engine_failed")
        core.state = None
        assert (await get(path, core)).json() == {"status": "ok"}


async def test_draining_fails_readiness_only():
    app = app_of(StandIn())
    app.state.server.draining = True
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert_error(await client.get("/ready"), 503, "stopping")
        assert (await client.get("/health")).status_code == 200


async def test_version_and_index():
    assert (await get("/version")).json() == {
        "version": __version__,
        "model": "whisper-test",
        "models": ["whisper-test"],
        "engine": "fake",
        "engine_version": "1.0",
        "device": "none",
        "dtype": "none",
    }
    assert (await get("/")).json()["docs"] == "/docs"


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
async def test_models(prefix):
    card = {"id": "whisper-test", "object": "model", "created": 1_700_000_000, "owned_by": "whisper-endpoint"}
    assert (await get(f"{prefix}/models")).json() == {"object": "list", "data": [card]}
    assert (await get(f"{prefix}/models/whisper-test")).json() == card
    assert (await get(f"{prefix}/models/whisper-1")).json() == card
    for unknown in ("nonsense", "org%2Fname", "org/name"):
        assert_error(await get(f"{prefix}/models/{unknown}"), 404, "model_not_found", "model")


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/audio/transcriptions/x", "/docs/nothing.js", "/health/x"])
async def test_unknown_paths(path):
    assert_error(await get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/audio/transcriptions", "POST"),
        ("DELETE", "/api/v1/audio/translations", "POST"),
        ("POST", "/v1/models", "GET"),
        ("PUT", "/health", "GET"),
        ("OPTIONS", "/v1/audio/transcriptions", "POST"),
        ("PATCH", "/docs", "GET"),
        ("POST", "/docs/start.js", "GET, HEAD"),
        ("OPTIONS", "/", "GET, POST"),
    ],
)
async def test_other_methods(method, path, allow):
    response = await get(path, method=method)
    assert_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allow


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-123_x.y:z", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("<b>", False), ("", False)],
)
async def test_request_id(sent, kept):
    for path in ("/health", "/nothing"):
        response = await get(path, headers={"x-request-id": sent})
        assert (response.headers["x-request-id"] == sent) is kept
        assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", response.headers["x-request-id"])


async def test_safe_headers():
    response = await get("/health")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_every_error_has_a_status():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EndpointError)]
    assert set(STATUS) <= set(kinds)
    for kind in kinds:
        assert status_of(kind("x")) in {400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 503, 504}
        assert isinstance(kind("x").code, str)


async def test_docs_need_no_internet():
    page = await get("/docs")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page.text):
        response = await get("/" + address)
        assert response.status_code == 200
        assert len(response.content) > 50
        assert response.headers["content-type"].split(";")[0] in {
            "text/javascript",
            "application/javascript",
            "text/css",
        }


async def test_one_line_for_each_request():
    with capture_logs() as lines:
        async with client_of(StandIn()) as client:
            files = {"file": ("private-name.wav", AUDIO)}
            response = await client.post("/api/v1/audio/transcriptions", files=files, data={"prompt": "private prompt"})
            await client.get("/private-path?key=private")
            await client.get("/health")
    first, second, third = (line for line in lines if line["event"] == "request")
    assert first["request_id"] == response.headers["x-request-id"]
    assert (first["route"], first["status"], first["method"]) == ("/api/v1/audio/transcriptions", 200, "POST")
    assert first["audio_seconds"] == 8.47
    assert first["ms"] >= 0
    assert (second["route"], second["status"], second["outcome"]) == (None, 404, "not_found")
    assert third["log_level"] == "debug"
    assert "private" not in str(lines)
    assert "Hello" not in str(lines)


async def test_unexpected_failures_are_logged_with_the_request_id():
    core = StandIn()
    core.failure = RuntimeError("inner")
    with capture_logs() as lines:
        async with client_of(core) as client:
            response = await client.post("/v1/audio/transcriptions", files={"file": AUDIO})
    failure, request = lines
    assert failure["event"] == "request failed"
    assert failure["request_id"] == request["request_id"] == response.headers["x-request-id"]
    assert failure["exc_info"]
    assert request["status"] == 500


async def test_a_partial_response_is_not_completed():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("inner")

    sent = []

    async def send(message):
        sent.append(message)

    with pytest.raises(RuntimeError):
        await RequestLog(app, Metrics())({"type": "http", "method": "GET", "headers": []}, None, send)
    assert len(sent) == 1
