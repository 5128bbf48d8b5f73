"""Limits of callers over HTTP: endpoint.api.limits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from endpoint.admission import GUESSED_BYTES_PER_SECOND
from endpoint.caller import Caller, Limits
from endpoint.errors import EngineFailed
from tests.api_support import AUDIO, REFUSED, StandIn, app_of, client_of, serve, wait_for

PATH = "/v1/audio/transcriptions"
FILE = {"file": ("a.wav", AUDIO)}
SECONDS = 8.47  # of the stand-in's recording


@pytest.fixture
def limited(tmp_path: Path) -> Any:
    """Clients of servers with limits, each with a store of its own."""
    return lambda core=None, **limits: client_of(core or StandIn(), jobs_url=str(tmp_path / "jobs.db"), **limits)


def refused(response: httpx.Response, code: str, kind: str) -> None:
    assert response.status_code == 429
    error = response.json()["error"]
    assert (error["code"], error["type"], error["param"]) == (code, kind, None)
    assert int(response.headers["retry-after"]) >= 1


async def test_the_request_after_the_last_is_429_with_what_openais_clients_read(limited: Any) -> None:
    core = StandIn()
    async with limited(core, limit_requests_per_minute=2) as client:
        for left in ("1", "0"):
            response = await client.post(PATH, files=FILE)
            assert response.status_code == 200
            assert response.headers["x-ratelimit-limit-requests"] == "2"
            assert response.headers["x-ratelimit-remaining-requests"] == left
        response = await client.post(PATH, files=FILE)
        refused(response, "rate_limit_exceeded", "requests")
        assert response.headers["x-ratelimit-remaining-requests"] == "0"
        assert response.headers["x-ratelimit-reset-requests"].endswith("s")
        assert (await client.get("/v1/models")).status_code == 200
    assert len(core.calls) == 2


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/audio/translations", {}),
        ("/v1/audio/detect-language", {}),
        ("/openai/deployments/whisper-test/audio/transcriptions", {}),
        ("/transcribe", {}),
        ("/asr", {}),
        ("/inference", {}),
        ("/detect-language", {}),
        (PATH, {"stream": "true"}),
        (PATH, {"response_format": "srt"}),
    ],
)
async def test_every_route_counts(limited: Any, path: str, fields: dict[str, str]) -> None:
    async with limited(limit_requests_per_minute=1) as client:
        first = await client.post(path, files=FILE, data=fields)
        assert first.status_code == 200
        assert first.headers["x-ratelimit-remaining-requests"] == "0"
        refused(await client.post(path, files=FILE, data=fields), "rate_limit_exceeded", "requests")


async def test_audio_posted_as_a_body_counts(limited: Any) -> None:
    async with limited(limit_requests_per_minute=1) as client:
        assert (await client.post("/", content=AUDIO)).status_code == 200
        refused(await client.post("/", content=AUDIO), "rate_limit_exceeded", "requests")


async def test_each_model_has_limits_of_its_own(tmp_path: Path) -> None:
    cores = {"small": StandIn(), "large": StandIn()}
    async with client_of(cores, jobs_url=str(tmp_path / "jobs.db"), limit_requests_per_minute=1) as client:
        for model in cores:
            assert (await client.post(PATH, files=FILE, data={"model": model})).status_code == 200
        refused(await client.post(PATH, files=FILE, data={"model": "small"}), "rate_limit_exceeded", "requests")


async def test_a_key_with_limits_of_its_own(tmp_path: Path) -> None:
    app = app_of(StandIn(), jobs_url=str(tmp_path / "jobs.db"), limit_requests_per_minute=1, max_upload_mb=2)
    caller = Caller("alice", limits=Limits(requests_per_minute=3, upload_mb=1))

    async def as_alice(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {"caller": caller}}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(as_alice), base_url="http://test") as client:
        response = await client.post(PATH, files=FILE)
        assert response.headers["x-ratelimit-limit-requests"] == "3"
        large = await client.post(PATH, files={"file": ("a.wav", b"x" * 1_500_000)})
        assert (large.status_code, large.json()["error"]["code"]) == (413, "file_too_large")


async def test_the_quota_of_a_month_counts_what_was_transcribed(limited: Any) -> None:
    core = StandIn()
    async with limited(core, limit_audio_seconds_per_month=20) as client:
        assert (await client.post(PATH, files={"file": ("a.wav", REFUSED)})).status_code == 400
        core.failure = EngineFailed("broken")
        assert (await client.post(PATH, files=FILE)).status_code == 500
        core.failure = None
        for left in (20 - SECONDS, 20 - 2 * SECONDS):
            response = await client.post(PATH, files=FILE)
            assert response.headers["x-ratelimit-remaining-audio-seconds-month"] == f"{int(left)}"
        refused(await client.post(PATH, files=FILE), "insufficient_quota", "insufficient_quota")


async def test_audio_of_a_minute(limited: Any) -> None:
    async with limited(limit_audio_seconds_per_minute=10) as client:
        assert (await client.post(PATH, files=FILE)).headers["x-ratelimit-limit-audio-seconds"] == "10"
        refused(await client.post(PATH, files=FILE), "rate_limit_exceeded", "audio_seconds")


async def test_a_client_that_leaves_frees_its_slot_and_its_audio(tmp_path: Path) -> None:
    core = StandIn(delay=3600)
    limits = {"limit_requests_in_flight": 1, "limit_audio_seconds_per_month": 10, "jobs_url": str(tmp_path / "jobs.db")}
    with serve(core, **limits) as base:
        async with httpx.AsyncClient(base_url=base, timeout=60) as client:
            waiting = asyncio.create_task(client.post(PATH, files=FILE))
            await asyncio.to_thread(wait_for, lambda: core.running == 1)
            refused(await client.post(PATH, files=FILE), "rate_limit_exceeded", "requests")
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await asyncio.to_thread(wait_for, lambda: core.cancelled == 1)
            core.delay = 0
            while (response := await client.post(PATH, files=FILE)).status_code == 429:  # noqa: ASYNC110 - it ends soon
                await asyncio.sleep(0.01)
            assert response.status_code == 200


async def test_too_much_audio_is_refused_before_the_body_is_read(tmp_path: Path) -> None:
    """By what Content-Length says; with how long the work before it takes."""
    core = StandIn(delay=3600)
    body = b"x" * int(20 * GUESSED_BYTES_PER_SECOND)
    with serve(core, max_concurrent_audio_seconds=25) as base:
        async with httpx.AsyncClient(base_url=base, timeout=60) as client:
            waiting = asyncio.create_task(client.post(PATH, files=FILE))
            await asyncio.to_thread(wait_for, lambda: core.running == 1)
            host, port = base.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
            response = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)  # nothing of the body was sent
            assert response.startswith(b"HTTP/1.1 503")
            assert b"retry-after: " in response
            writer.close()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
