"""What every store of keys does: endpoint.access.keys; in SQLite, also beside jobs, and in Redis."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from endpoint.access.keys import LIMIT_NAMES, Found, Key, KeyStore, Secret, limits_of, new_key_id, scopes_of
from endpoint.access.keys_redis import RedisKeys
from endpoint.access.keys_sqlite import SqliteKeys, make_tables
from endpoint.caller import Limits, Scope
from endpoint.errors import InvalidRequest, StoreUnavailable
from endpoint.jobs.sqlite import SqliteStore
from endpoint.stores.sqlite import connect
from tests.access_support import NOW, WAIT_SECONDS, made_key, made_secret
from tests.jobs_support import make_job


@pytest.fixture(params=["sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyStore]:
    made: KeyStore
    if request.param == "sqlite":
        made = SqliteKeys(tmp_path / "keys.db", WAIT_SECONDS)
    else:
        made = RedisKeys(request.getfixturevalue("redis_url"), f"test-{uuid.uuid4().hex}:")
    await made.open()
    yield made
    await made.close()


async def added(store: KeyStore, number: int = 1, **fields: object) -> Key:
    key = made_key(number, **fields)
    await store.add(key, made_secret(key))
    return key


async def test_opening_again_does_nothing_and_a_closed_store_is_unavailable(store: KeyStore) -> None:
    key = await added(store)
    await store.open()
    assert await store.get(key.id) == key
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.find(key.prefix)


async def test_a_key_is_kept_as_it_was_made(store: KeyStore) -> None:
    key = await added(
        store,
        name="Büro",
        scopes=frozenset({Scope.JOBS, Scope.ADMIN}),
        models=frozenset({"small", "large"}),
        limits=Limits(requests_per_minute=60, upload_mb=0),
        expires_at=NOW + 0.123456,
    )
    assert await store.get(key.id) == key
    assert await store.find(key.prefix) == Found(made_secret(key), key)
    assert await store.get("key_none") is None
    assert await store.find("sk-none") is None


async def test_keys_are_listed_in_pages_the_newest_first(store: KeyStore) -> None:
    keys = [await added(store, number) for number in range(5)][::-1]
    assert await store.list() == keys
    assert await store.list(limit=2) == keys[:2]
    assert await store.list(keys[1].id, 2) == keys[2:4]
    assert await store.list(keys[-1].id) == []


async def test_a_rotated_key_has_two_secrets_for_a_while(store: KeyStore) -> None:
    key = await added(store)
    other = made_secret(key, prefix="sk-other", digest="another")
    rotated = await store.rotate(other, NOW + 60)
    assert rotated == replace(key, prefix="sk-other") == await store.get(key.id)
    assert await store.find("sk-other") == Found(other, rotated)
    assert await store.find(key.prefix) == Found(made_secret(key, expires_at=NOW + 60), rotated)
    third = made_secret(key, prefix="sk-third")
    await store.rotate(third, NOW + 90)
    found = await store.find(key.prefix)
    assert found is not None
    assert found.secret.expires_at == NOW + 60
    assert await store.rotate(made_secret(made_key(9), prefix="sk-nine"), NOW) is None
    assert await store.find("sk-nine") is None


async def test_a_revoked_key_stays_revoked(store: KeyStore) -> None:
    key = await added(store)
    assert await store.revoke(key.id, NOW + 1) == replace(key, revoked_at=NOW + 1)
    assert await store.revoke(key.id, NOW + 2) == replace(key, revoked_at=NOW + 1)
    found = await store.find(key.prefix)
    assert found is not None
    assert found.key is not None
    assert found.key.revoked_at == NOW + 1
    assert await store.revoke("key_none", NOW) is None


async def test_when_it_was_used(store: KeyStore) -> None:
    key = await added(store)
    await store.used(key.id, NOW + 0.25)
    await store.used("key_none", NOW)
    assert await store.get(key.id) == replace(key, used_at=NOW + 0.25)
    assert await store.get("key_none") is None
    assert await store.list() == [replace(key, used_at=NOW + 0.25)]


async def test_client_secrets_are_forgotten_once_they_have_expired(store: KeyStore) -> None:
    key = await added(store)
    session = {"type": "transcription", "audio": {"input": {"format": {"rate": 24000}}}}
    first = made_secret(key, prefix="ek_first", expires_at=NOW + 10.5, session=session)
    await store.add_client_secret(first, NOW)
    assert await store.find("ek_first") == Found(first, key)
    ownerless = made_secret(made_key(0, id="api-key"), prefix="ek_second", expires_at=NOW + 99, session={})
    await store.add_client_secret(ownerless, NOW + 10)
    assert await store.find("ek_second") == Found(ownerless, None)
    assert await store.find("ek_first") is not None
    await store.add_client_secret(made_secret(key, prefix="ek_third", expires_at=NOW + 99, session={}), NOW + 11)
    assert await store.find("ek_first") is None
    assert await store.find(key.prefix) is not None


async def test_client_secrets_of_a_key_are_bounded(store: KeyStore) -> None:
    """Its own secret counts as well; other keys have theirs."""
    key, other = await added(store, 1), await added(store, 2)

    def secret(of: Key, number: int) -> Secret:
        return made_secret(of, prefix=f"ek_{of.id}{number}", expires_at=NOW + 10, session={})

    kept = [await store.add_client_secret(secret(key, number), NOW, 3) for number in range(4)]
    assert kept == [True, True, False, False]
    assert await store.find(secret(key, 2).prefix) is None
    assert await store.add_client_secret(secret(other, 0), NOW, 3)
    assert await store.add_client_secret(secret(key, 4), NOW + 10, 3)


async def test_the_first_pepper_is_pinned(store: KeyStore) -> None:
    assert await store.pin("a") == "a"
    assert await store.pin("b") == "a"


# ---- SQLite ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["jobs", "keys"])
async def test_keys_and_jobs_share_a_file(tmp_path: Path, first: str) -> None:
    path = tmp_path / "jobs.db"
    jobs, keys = SqliteStore(path, wait_seconds=WAIT_SECONDS), SqliteKeys(path, WAIT_SECONDS)
    for store in (jobs, keys) if first == "jobs" else (keys, jobs):
        await store.open()
    try:
        await jobs.submit(make_job(1), "key")
        key = await added(keys)
        assert (await jobs.sizes())["keys"] == 1
        assert await keys.get(key.id) == key
    finally:
        await jobs.close()
        await keys.close()


def test_a_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path, end = tmp_path / "keys.db", time.monotonic() + WAIT_SECONDS
    with contextlib.closing(connect(path, end, make_tables)) as connection:
        connection.execute("UPDATE access_about SET value = '99' WHERE name = 'version'")
    with pytest.raises(sqlite3.DatabaseError, match="version 99"):
        connect(path, end, make_tables)


# ---- values ---------------------------------------------------------------------------------------


def test_a_key_is_active_until_it_expires_or_is_revoked() -> None:
    key = made_key(1, expires_at=NOW)
    assert [key.status(NOW - 1), key.status(NOW)] == ["active", "expired"]
    assert replace(key, revoked_at=NOW - 5).status(NOW - 1) == "revoked"


def test_ids_sort_by_time() -> None:
    ids = [new_key_id(NOW + number / 1000) for number in range(20)]
    assert ids == sorted(ids)
    assert len({new_key_id(NOW) for _ in range(20)}) == 20


def test_limits_and_scopes_by_name() -> None:
    assert limits_of({}) == Limits()
    assert limits_of({"upload_mb": 0, "requests_per_minute": None}) == Limits(upload_mb=0)
    assert set(LIMIT_NAMES) == set(vars(Limits()))
    for wrong in (
        {"nonsense": 1},
        {"upload_mb": -1},
        {"upload_mb": "1"},
        {"upload_mb": True},
        {"upload_mb": 2**53 + 1},
        {"upload_mb": 1.5},
    ):
        with pytest.raises(InvalidRequest, match="limits"):
            limits_of(wrong)
    assert scopes_of(["jobs", "admin"]) == {Scope.JOBS, Scope.ADMIN}
    for names in ([], ["everything"], ["jobs", "Jobs"]):
        with pytest.raises(InvalidRequest, match="transcribe, jobs, realtime, admin"):
            scopes_of(names)
