"""Keys over HTTP: only for `admin`, only where keys are kept, and a secret is shown once: endpoint.api.admin."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from endpoint.access.keys import LIMIT_NAMES
from endpoint.access.service import Keys
from endpoint.api.admin import KeyList, KeyObject, SecretKey
from endpoint.caller import Limits, Scope
from tests.access_support import bearer, keys_in, secret_of
from tests.api_support import StandIn, app_of, assert_error, client_of
from tests.test_api_openapi import described

PATH = "/v1/admin/keys"


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    made = keys_in(tmp_path / "keys.db", api_key="shared")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def client(keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    """Of an admin."""
    secret = await secret_of(keys, Scope.ADMIN, name="operator")
    cores = {"large": StandIn(), "small": StandIn()}
    async with client_of(cores, keys=keys, keys_url="jobs") as made:
        made.headers.update(bearer(secret))
        yield made


async def created(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=fields)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    SecretKey.model_validate(body)
    return body


async def test_a_key_is_made_and_its_secret_shown_once(client: httpx.AsyncClient, keys: Keys) -> None:
    expires_at = int(time.time()) + 3600
    body = await created(
        client,
        name="Büro 1",
        scopes=["jobs"],
        models=["small", "whisper-1"],
        limits={"upload_mb": 5},
        expires_at=expires_at,
    )
    secret = body.pop("key")
    assert body["prefix"] == secret[: len(body["prefix"])]
    caller = (await keys.admit(secret.encode())).caller
    assert (caller.id, caller.name, caller.scopes) == (body["id"], "Büro 1", {Scope.JOBS})
    assert (caller.models, caller.limits) == ({"small", "whisper-1"}, Limits(upload_mb=5))
    shown = (await client.get(f"{PATH}/{body['id']}")).json()
    assert shown.pop("last_used_at") is not None
    assert shown == {name: value for name, value in body.items() if name != "last_used_at"}
    assert (shown["status"], shown["expires_at"], shown["limits"]) == ("active", expires_at, {"upload_mb": 5})
    everything = (await client.get(PATH)).text + json.dumps(shown)
    assert secret not in everything


async def test_without_anything_it_is_an_ordinary_key(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH)
    body = response.json()
    assert (body["name"], body["scopes"]) == ("", ["jobs", "realtime", "transcribe"])
    assert (body["models"], body["limits"], body["expires_at"]) == (None, {}, None)


async def test_they_are_listed_in_pages(client: httpx.AsyncClient) -> None:
    made = [(await created(client, name=str(number)))["id"] for number in range(3)]
    first = (await client.get(PATH, params={"limit": 2})).json()
    KeyList.model_validate(first)
    assert first["has_more"] is True
    rest = (await client.get(PATH, params={"limit": 2, "after": first["last_id"]})).json()
    ids = [key["id"] for key in first["data"] + rest["data"]]
    assert set(made) < set(ids)
    assert (ids, len(ids), rest["has_more"]) == (sorted(ids, reverse=True), 4, False)


async def test_a_key_is_rotated_and_revoked(client: httpx.AsyncClient) -> None:
    body = await created(client)
    rotated = (await client.post(f"{PATH}/{body['id']}/rotate", json={"grace_seconds": 0})).json()
    SecretKey.model_validate(rotated)
    assert rotated["id"] == body["id"]

    async def status(secret: str) -> int:
        return (await client.get("/v1/models", headers=bearer(secret))).status_code

    assert [await status(body["key"]), await status(rotated["key"])] == [401, 200]
    again = (await client.post(f"{PATH}/{body['id']}/rotate")).json()
    assert [await status(rotated["key"]), await status(again["key"])] == [200, 200]
    revoked = (await client.post(f"{PATH}/{body['id']}/revoke")).json()
    KeyObject.model_validate(revoked)
    assert revoked["status"] == "revoked"
    assert [await status(rotated["key"]), await status(again["key"])] == [401, 401]
    assert_error(await client.post(f"{PATH}/{body['id']}/rotate"), 400, "invalid_value")


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": []}, "scopes"),
        ({"models": []}, "models"),
        ({"limits": {"nonsense": 1}}, "limits"),
        ({"limits": {"upload_mb": -1}}, "limits.upload_mb"),
        ({"name": "x" * 101}, "name"),
        ({"name": "line\n"}, "name"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires": "90d"}, "expires"),
        ([], None),
    ],
)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, sent: Any, param: str | None) -> None:
    assert_error(await client.post(PATH, json=sent), 400, "invalid_value", param)


async def test_bodies_that_cannot_be_read(client: httpx.AsyncClient) -> None:
    assert_error(await client.post(PATH, content=b"{"), 400, "invalid_value")
    assert_error(await client.post(PATH, content=b" " * (400 * 1024)), 413, "file_too_large", "file")
    assert_error(await client.post(PATH, json={"models": ["none"]}), 404, "model_not_found", "model")
    assert_error(await client.get(PATH, params={"limit": 0}), 400, "invalid_value", "limit")


async def test_a_key_that_is_not_there(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", ""), ("POST", "/rotate"), ("POST", "/revoke")):
        assert_error(await client.request(method, f"{PATH}/key_none{path}"), 404, "key_not_found")


async def test_a_plain_key_may_not_manage_keys(client: httpx.AsyncClient, keys: Keys) -> None:
    """Nor may that of the settings. Check 14 of the contract."""
    for secret in (await secret_of(keys), "shared"):
        for method, path in (("POST", ""), ("GET", ""), ("GET", "/x"), ("POST", "/x/rotate"), ("POST", "/x/revoke")):
            response = await client.request(method, PATH + path, headers=bearer(secret))
            assert "`admin`" in assert_error(response, 403, "missing_scope")


async def test_without_keys_that_are_kept_there_are_no_such_routes(keys: Keys) -> None:
    secret = await secret_of(keys, Scope.ADMIN)
    async with client_of(StandIn(), keys=keys, api_key="shared") as client:
        assert_error(await client.get(PATH, headers=bearer(secret)), 404, "not_found")
    async with client_of(StandIn()) as client:
        assert_error(await client.get(PATH), 404, "not_found")


def test_the_routes_are_documented() -> None:
    api = app_of(StandIn(), keys_url="jobs").openapi()
    paths = {path: operations for path, operations in api["paths"].items() if path.startswith(PATH)}
    assert set(paths) == {PATH, f"{PATH}/{{key_id}}", f"{PATH}/{{key_id}}/rotate", f"{PATH}/{{key_id}}/revoke"}
    assert list(described(api["components"]["schemas"], "")) == []
    for operations in paths.values():
        for operation in operations.values():
            assert operation["description"]
            assert operation["security"]
            assert {"200", "401", "403", "503", "default"} <= set(operation["responses"])
            assert list(described(operation, "")) == []
    schema = paths[PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate({"name": "a", "scopes": ["jobs"], "limits": {"upload_mb": 1}})
    assert all(name in schema["properties"]["limits"]["description"] for name in LIMIT_NAMES)
