"""Requests with keys of the store: headers, scopes, models, and what OpenAI's own client makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from openai import AuthenticationError, OpenAI, PermissionDeniedError

from endpoint.access.service import Keys
from endpoint.access.tokens import Mint
from endpoint.api.errors import install_error_handlers
from endpoint.api.keys import Authentication, Needs
from endpoint.caller import Scope
from tests.access_support import bearer, keys_in, secret_of
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, assert_error, client_of, serve
from tests.jobs_memory import memory_jobs

SHARED = "shared"


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    made = keys_in(tmp_path / "keys.db")
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "X-API-Key", "api-key"])
async def test_a_key_comes_in_any_of_these_headers(keys: Keys, header: str) -> None:
    secret = await secret_of(keys)
    value = f"Bearer {secret}" if header == "authorization" else secret
    async with client_of(StandIn(), keys=keys) as client:
        assert (await client.get("/v1/models", headers={header: value})).status_code == 200


async def test_a_proxys_own_bearer_header_is_not_in_the_way(keys: Keys) -> None:
    """Hugging Face's takes a token there. A key in a header of its own comes first, an empty one counts as none."""
    secret = await secret_of(keys)
    async with client_of(StandIn(), keys=keys) as client:
        for headers, status in (
            ({"x-api-key": secret, "authorization": "Bearer hf_token"}, 200),
            ({"x-api-key": "hf_token", "authorization": f"Bearer {secret}"}, 401),
            ({"x-api-key": " ", "authorization": f"Bearer {secret}"}, 200),
        ):
            assert (await client.get("/v1/models", headers=headers)).status_code == status


async def test_a_key_without_the_scope_is_refused_before_the_body_is_read(keys: Keys) -> None:
    secret, core = await secret_of(keys, Scope.JOBS), StandIn()

    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    async with client_of(core, keys=keys, jobs=memory_jobs()) as client:
        headers = bearer(secret)
        response = await client.post("/v1/audio/transcriptions", content=body(), headers=headers)
        message = assert_error(response, 403, "missing_scope")
        assert "`transcribe`" in message
        assert (await client.get("/v1/audio/jobs", headers=headers)).status_code == 200
        assert (await client.get("/v1/models", headers=headers)).status_code == 200
    assert core.calls == []


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/transcribe/{model}", "/v1/audio/jobs"])
async def test_a_key_for_other_models_is_refused(keys: Keys, path: str) -> None:
    """`whisper-1` and no name mean the default model, which is `large`."""
    secret = await secret_of(keys, models=frozenset({"small"}))
    cores = {"large": StandIn(), "small": StandIn()}
    async with client_of(cores, keys=keys, jobs=memory_jobs()) as client:
        for model, allowed in (("small", True), ("large", False), ("whisper-1", False)):
            response = await client.post(
                path.replace("{model}", model), files={"file": AUDIO}, data={"model": model}, headers=bearer(secret)
            )
            if allowed:
                assert response.status_code in (200, 202), response.text
            else:
                assert_error(response, 403, "model_not_found", "model")
        assert_error(await client.post("/", content=AUDIO, headers=bearer(secret)), 403, "model_not_found", "model")
        listed = (await client.get("/v1/models", headers=bearer(secret))).json()["data"]
        assert [card["id"] for card in listed] == ["small"]
        assert_error(await client.get("/v1/models/large", headers=bearer(secret)), 403, "model_not_found", "model")
    assert cores["large"].calls == []


async def test_missing_unknown_expired_and_revoked_keys_get_the_same_response(keys: Keys) -> None:
    secret = await secret_of(keys)
    await keys.revoke((await keys.list())[0].id)
    bodies = set()
    async with client_of(StandIn(), keys=keys, api_key=SHARED) as client:
        for headers in ({}, bearer("sk-unknown"), bearer(secret), bearer(Mint(b"x" * 32).make()), bearer(secret[:-1])):
            response = await client.get("/v1/models", headers=headers)
            assert_error(response, 401, "invalid_api_key")
            response.headers.pop("x-request-id")
            bodies.add((response.content, tuple(sorted(response.headers.items()))))
    assert len(bodies) == 1


async def test_a_store_that_is_gone_is_503_and_a_socket_is_asked_to_come_again(keys: Keys) -> None:
    secret = await secret_of(keys)
    await keys.close()
    async with client_of(StandIn(), keys=keys) as client:
        assert_error(await client.get("/v1/models", headers=bearer(secret)), 503, "store_unavailable")
    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/realtime", "headers": [(b"x-api-key", secret.encode())]}
    await Authentication(None, keys)(scope, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1013}]


def test_the_official_client_with_keys_of_the_store(tmp_path: Path) -> None:
    """One that may, one that is wrong, one for something else."""

    async def secrets() -> tuple[str, str]:
        made = keys_in(tmp_path / "keys.db")
        both = await secret_of(made, Scope.TRANSCRIBE), await secret_of(made, Scope.JOBS)
        await made.close()
        return both

    may, other = asyncio.run(secrets())

    def text(url: str, key: str) -> str:
        with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=2) as client:
            return client.audio.transcriptions.create(file=AUDIO, model="whisper-1").text

    with serve(StandIn(), keys=keys_in(tmp_path / "keys.db")) as url:
        assert text(url, may) == TRANSCRIPT.text
        with pytest.raises(AuthenticationError) as wrong:
            text(url, may[:-1])
        assert (wrong.value.status_code, wrong.value.code) == (401, "invalid_api_key")
        with pytest.raises(PermissionDeniedError) as denied:
            text(url, other)
        assert (denied.value.status_code, denied.value.code) == (403, "missing_scope")


async def test_a_socket_without_the_scope_is_refused(keys: Keys) -> None:
    """Before it is accepted, with the same error as a request."""
    app = FastAPI()
    install_error_handlers(app)

    @app.websocket("/live", dependencies=[Depends(Needs(Scope.REALTIME))])
    async def live(socket: WebSocket) -> None:
        await socket.accept()

    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    for scope, expected in ((Scope.JOBS, "websocket.http.response.start"), (Scope.REALTIME, "websocket.accept")):
        secret = await secret_of(keys, scope)
        sent.clear()
        protocols = [f"openai-insecure-api-key.{secret}"]
        asked = {"type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "headers": []}
        more = {"subprotocols": protocols, "extensions": {"websocket.http.response": {}}}
        await Authentication(app, keys)(asked | more, receive, send)
        assert sent[0]["type"] == expected
        assert sent[0].get("status") in (403, None)
