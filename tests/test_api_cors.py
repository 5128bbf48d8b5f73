"""Pages of the origins in CORS_ORIGINS may call the server and read responses; all other pages may not."""

from __future__ import annotations

import pytest

from endpoint.config import load_settings
from endpoint.errors import ConfigError
from tests.api_support import AUDIO, StandIn, client_of

PATH, ORIGIN = "/v1/audio/transcriptions", "https://app.example"
ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
ALLOWED = "access-control-allow-origin"


@pytest.mark.parametrize("path", [PATH, "/transcribe", "/", "/health"])
async def test_a_preflight_needs_no_key(path: str) -> None:
    async with client_of(StandIn(), cors_origins=ORIGIN, api_key="secret") as client:
        response = await client.options(path, headers={"Origin": ORIGIN} | ASKED)
        assert (response.status_code, response.headers[ALLOWED]) == (200, ORIGIN)
        assert "authorization" in response.headers["access-control-allow-headers"]
        other = await client.options(path, headers={"Origin": "https://other.example"} | ASKED)
        assert ALLOWED not in other.headers


async def test_responses_errors_and_streams_are_readable() -> None:
    core = StandIn()
    async with client_of(core, cors_origins=ORIGIN, api_key="secret") as client:
        key = {"Origin": ORIGIN, "Authorization": "Bearer secret"}
        sent = {"files": {"file": AUDIO}, "headers": key}
        responses = [await client.post(PATH, **sent), await client.post(PATH, data={"stream": "true"}, **sent)]
        responses += [await client.post(PATH, headers={"Origin": ORIGIN}), await client.get("/none", headers=key)]
        core.failure = RuntimeError("x")
        responses.append(await client.post(PATH, **sent))
    assert [response.status_code for response in responses] == [200, 200, 401, 404, 500]
    for response in responses:
        assert response.headers[ALLOWED] == ORIGIN
        assert "x-warnings" in response.headers["access-control-expose-headers"]


async def test_pages_may_use_every_method_that_a_route_takes() -> None:
    async with client_of(StandIn(), cors_origins=ORIGIN) as client:
        methods = {
            method.upper() for route in (await client.get("/openapi.json")).json()["paths"].values() for method in route
        }
        for method in {*methods, "DELETE"}:
            asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
            assert (await client.options("/v1/audio/jobs/job_1", headers=asked)).status_code == 200, method


async def test_pages_can_read_what_is_left_of_a_limit() -> None:
    async with client_of(
        StandIn(), cors_origins=ORIGIN, limit_requests_per_minute=9, limit_audio_seconds_per_minute=99,
        limit_audio_seconds_per_month=999,
    ) as client:  # fmt: skip
        headers = (await client.post(PATH, files={"file": AUDIO}, headers={"Origin": ORIGIN})).headers
    shown = {name for name in headers if name.startswith("x-ratelimit-")}
    assert len(shown) == 9
    assert shown <= set(headers["access-control-expose-headers"].split(", "))


async def test_off_by_default() -> None:
    async with client_of(StandIn()) as client:
        assert (await client.options(PATH, headers={"Origin": ORIGIN} | ASKED)).status_code == 405
        assert ALLOWED not in (await client.get("/health", headers={"Origin": ORIGIN})).headers


def test_what_is_no_origin_is_refused() -> None:
    assert load_settings(cors_origins="*").cors_origins == "*"
    with pytest.raises(ConfigError, match="CORS_ORIGINS"):
        load_settings(cors_origins="https://app.example/path")
