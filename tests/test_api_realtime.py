"""Client secrets, in OpenAI's form: endpoint.api.realtime."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from endpoint.access.service import Keys
from endpoint.api.keys import Authentication, authenticate
from endpoint.caller import Scope
from tests.access_support import bearer, keys_in, secret_of
from tests.api_support import StandIn, assert_error, client_of, serve

PATH = "/v1/realtime/client_secrets"
SESSION = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1", "language": "de"}}}}


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    made = keys_in(tmp_path / "keys.db")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def client(keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(StandIn(), keys=keys) as made:
        made.headers.update(bearer(await secret_of(keys, Scope.REALTIME, name="web")))
        yield made


async def test_a_secret_opens_sockets_and_nothing_else(client: httpx.AsyncClient, keys: Keys) -> None:
    before = int(time.time())
    body = (await client.post(PATH, json={"session": SESSION})).json()
    assert set(body) == {"value", "expires_at", "session"}
    assert before + 600 <= body["expires_at"] <= time.time() + 600
    assert body["session"].pop("id").startswith("sess_")
    assert body["session"] == SESSION | {"object": "realtime.transcription_session"}
    assert_error(await client.get("/v1/audio/jobs", headers=bearer(body["value"])), 404, "not_found")
    response = await client.post("/v1/audio/transcriptions", headers=bearer(body["value"]))
    assert_error(response, 403, "missing_scope")
    protocols = ["realtime", f"openai-insecure-api-key.{body['value']}"]
    seen = list[Any]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"])

    scope = {"type": "websocket", "path": "/v1/realtime", "headers": [], "subprotocols": protocols}
    await Authentication(app, keys)(scope, None, None)  # type: ignore[arg-type]
    (state,) = seen
    assert (state["caller"].name, state["caller"].scopes) == ("web", {Scope.REALTIME})
    assert state["session"] == SESSION


async def test_a_key_may_be_a_protocol_of_sockets_only(keys: Keys) -> None:
    secret = await secret_of(keys)
    protocols = {"headers": [], "subprotocols": [f"openai-insecure-api-key.{secret}"]}
    assert (await authenticate(keys, {"type": "websocket", **protocols})).session is None
    from endpoint.errors import InvalidKey

    with pytest.raises(InvalidKey):
        await authenticate(keys, {"type": "http", **protocols})


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "now"}}, "expires_after.anchor"),
        ({"session": {"type": "chat"}}, "session.type"),
        ({"session": "x"}, "session"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, sent: Any, param: str) -> None:
    assert_error(await client.post(PATH, json=sent), 400, "invalid_value", param)


async def test_only_who_may_open_sockets_gets_one(client: httpx.AsyncClient, keys: Keys) -> None:
    secret = await secret_of(keys, Scope.JOBS, Scope.TRANSCRIBE)
    assert "`realtime`" in assert_error(await client.post(PATH, headers=bearer(secret)), 403, "missing_scope")


async def test_without_keys_there_are_secrets_too() -> None:
    """So that a page that gets one works with any server; sockets need none then."""
    async with client_of(StandIn()) as client:
        body = (await client.post(PATH, json={"session": {"type": "realtime"}})).json()
    assert body["value"].startswith("ek_")
    assert body["session"]["object"] == "realtime.session"


async def test_where_nothing_is_kept_there_are_none() -> None:
    async with client_of(StandIn(), api_key="k", jobs_url="off") as client:
        assert_error(await client.post(PATH, headers=bearer("k")), 404, "not_found")


def test_the_official_client_gets_one(tmp_path: Path) -> None:
    async def secret() -> str:
        made = keys_in(tmp_path / "keys.db")
        token = await secret_of(made)
        await made.close()
        return token

    key = asyncio.run(secret())
    with (
        serve(StandIn(), keys=keys_in(tmp_path / "keys.db")) as url,
        OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=2) as client,
    ):
        made = client.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 60})
    assert made.value.startswith("ek_")
    assert made.session.type == "transcription"
