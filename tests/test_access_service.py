"""Who is admitted and who is not, and that keys are managed: endpoint.access.service."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from endpoint.access import tokens
from endpoint.access.cache import Cache
from endpoint.access.keys import ORDINARY
from endpoint.access.keys_sqlite import SqliteKeys
from endpoint.access.service import INVALID, SHARED_ID, USED_SECONDS, Admitted, Keys, NewKey
from endpoint.access.tokens import Mint
from endpoint.caller import ANONYMOUS, Caller, Limits, Scope
from endpoint.errors import ConfigError, InvalidKey, InvalidRequest, KeyNotFound, Overloaded, StoreUnavailable
from tests.access_support import NOW, PEPPER, WAIT_SECONDS, Moment, keys_in, secret_of

SHARED = "shared key/+="


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest.fixture
async def keys(tmp_path: Path, clock: Moment) -> AsyncIterator[Keys]:
    made = keys_in(tmp_path / "keys.db", clock, api_key=SHARED)
    await made.open()
    yield made
    await made.close()


async def refused(keys: Keys, token: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        await keys.admit(token.encode())
    assert (caught.value.message, caught.value.code) == (INVALID, "invalid_api_key")


async def test_a_key_is_admitted_as_what_it_was_made_for(keys: Keys) -> None:
    limits, models = Limits(upload_mb=5), frozenset({"small"})
    key, token = await keys.create(NewKey("Alice", frozenset({Scope.JOBS}), models, limits))
    assert await keys.admit(token.encode()) == Admitted(
        Caller(key.id, "Alice", frozenset({Scope.JOBS}), models, limits)
    )
    assert await keys.get(key.id) == await keys.get(key.id)
    assert [one.id for one in await keys.list()] == [key.id]


async def test_the_key_of_the_settings_may_do_all_but_admin(keys: Keys) -> None:
    assert (await keys.admit(SHARED.encode())).caller == Caller(SHARED_ID, "API_KEY", ORDINARY)
    assert Scope.ADMIN not in ORDINARY


async def test_all_that_is_not_valid_gets_the_same_error(keys: Keys, clock: Moment) -> None:
    _, expiring = await keys.create(NewKey(expires_at=NOW + 10))
    revoked, gone = await keys.create(NewKey())
    await keys.revoke(revoked.id)
    rotated, old = await keys.create(NewKey())
    await keys.rotate(rotated.id, 10)
    await keys.admit(expiring.encode())
    await keys.admit(old.encode())
    clock.now += 10
    unknown = Mint(PEPPER).make()
    for token in ("", "sk-", SHARED[:-1], SHARED + "x", unknown, expiring, gone, old, old[:-1], "schlüssel", "\0"):
        await refused(keys, token)


async def test_a_secret_that_only_begins_like_another_is_wrong(keys: Keys, tmp_path: Path) -> None:
    """With the pepper, and so the last characters right: the digest is compared nevertheless."""
    token = await secret_of(keys)
    mint = Mint(PEPPER)
    body = token[:-13] + ("a" if token[-13] != "a" else "b")
    forged = body + mint._tag(body.encode())
    assert mint.genuine(forged.encode())
    await refused(keys, forged)


async def test_unknown_and_wrong_secrets_take_the_same_steps(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many hashes and comparisons, of as many bytes, and no look-up: there is nothing to measure."""
    token = await secret_of(keys)
    steps = list[Any]()
    digests, compares = hmac.new, hmac.compare_digest

    def new(key: bytes, message: bytes, kind: str) -> Any:
        steps.append(("hash", len(message)))
        return digests(key, message, kind)

    def compare(one: Any, other: Any) -> bool:
        steps.append(("compare", len(one), len(other)))
        return compares(one, other)

    async def find(self: SqliteKeys, prefix: str) -> None:
        steps.append("look-up")

    monkeypatch.setattr(tokens.hmac, "new", new)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    monkeypatch.setattr(SqliteKeys, "find", find)
    taken = []
    for wrong in (token[:-1] + "_", token[:20] + "_" + token[21:], "sk-" + "x" * (len(token) - 3)):
        steps.clear()
        await refused(keys, wrong)
        taken.append(list(steps))
    assert taken[0] == taken[1] == taken[2]
    assert "look-up" not in taken[0]


async def test_a_rotated_key_keeps_its_old_secret_for_the_grace(keys: Keys, clock: Moment) -> None:
    key, old = await keys.create(NewKey("Alice"))
    rotated, new = await keys.rotate(key.id, 60)
    assert rotated.prefix == new[: len(rotated.prefix)] != key.prefix
    clock.now += 59.9
    assert (await keys.admit(old.encode())).caller == (await keys.admit(new.encode())).caller
    clock.now += 0.1
    await refused(keys, old)
    assert (await keys.admit(new.encode())).caller.id == key.id
    await keys.revoke(key.id)
    await refused(keys, new)
    with pytest.raises(InvalidRequest, match="revoked"):
        await keys.rotate(key.id)


async def test_a_revoked_key_works_no_longer_than_it_is_cached(tmp_path: Path, clock: Moment) -> None:
    """Another server revokes it; this one has looked it up before."""
    here = keys_in(tmp_path / "keys.db", clock, cache=Cache(5.0, clock))
    there = keys_in(tmp_path / "keys.db", clock)
    token = await secret_of(here, name="Alice")
    await there.open()
    (key,) = await there.list()
    await here.admit(token.encode())
    await there.revoke(key.id)
    clock.now += 4.9
    await here.admit(token.encode())
    clock.now += 0.1
    await refused(here, token)
    (again,) = [one for one in await here.list() if one.id == key.id]
    assert again.status(clock.now) == "revoked"
    await here.close()
    await there.close()


async def test_the_server_that_revokes_does_so_at_once(tmp_path: Path) -> None:
    keys = keys_in(tmp_path / "keys.db", cache=Cache(3600.0))
    token = await secret_of(keys)
    await keys.admit(token.encode())
    await keys.revoke((await keys.list())[0].id)
    await refused(keys, token)
    await keys.close()


async def test_requests_do_not_wait_for_the_store_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[str]()
    keys = keys_in(tmp_path / "keys.db", cache=Cache(3600.0))
    token = await secret_of(keys)
    find = SqliteKeys.find

    async def counted(self: SqliteKeys, prefix: str) -> Any:
        looked.append(prefix)
        return await find(self, prefix)

    monkeypatch.setattr(SqliteKeys, "find", counted)
    for _ in range(20):
        await keys.admit(token.encode())
    assert len(looked) == 1
    await keys.close()


async def test_when_a_key_was_used_is_kept_to_the_minute(keys: Keys, clock: Moment) -> None:
    key, token = await keys.create(NewKey())
    for passed, used_at in ((1, NOW + 1), (USED_SECONDS - 1, NOW + 1), (1, NOW + 1 + USED_SECONDS)):
        clock.now += passed
        await keys.admit(token.encode())
        assert (await keys.get(key.id)).used_at == used_at


async def test_a_store_that_takes_no_more_still_admits(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await secret_of(keys)

    async def full(*_: Any) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(SqliteKeys, "used", full)
    assert (await keys.admit(token.encode())).caller.scopes == ORDINARY


async def test_a_store_that_is_gone_admits_nobody_but_the_key_of_the_settings(keys: Keys) -> None:
    token = await secret_of(keys)
    await keys.close()
    with pytest.raises(StoreUnavailable):
        await keys.admit(token.encode())
    assert (await keys.admit(SHARED.encode())).caller.id == SHARED_ID


async def test_a_client_secret_is_for_sockets_only(keys: Keys, clock: Moment) -> None:
    key, token = await keys.create(NewKey("Alice", limits=Limits(live_sessions=2)))
    caller = (await keys.admit(token.encode())).caller
    secret, expires_at = await keys.client_secret(caller, 60, {"type": "transcription"})
    assert secret.startswith("ek_")
    assert expires_at == NOW + 60
    admitted = await keys.admit(secret.encode())
    assert admitted.session == {"type": "transcription"}
    assert admitted.caller == Caller(key.id, "Alice", frozenset({Scope.REALTIME}), None, Limits(live_sessions=2))
    clock.now += 60
    await refused(keys, secret)
    secret, _ = await keys.client_secret(caller, 60, {})
    await keys.revoke(key.id)
    await refused(keys, secret)


async def test_a_client_secret_of_the_key_of_the_settings_ends_with_that_key(tmp_path: Path, clock: Moment) -> None:
    shared = keys_in(tmp_path / "keys.db", clock, api_key=SHARED)
    await shared.open()
    secret, _ = await shared.client_secret((await shared.admit(SHARED.encode())).caller, 60, {})
    assert (await shared.admit(secret.encode())).caller == Caller(SHARED_ID, "API_KEY", frozenset({Scope.REALTIME}))
    await shared.close()
    without = keys_in(tmp_path / "keys.db", clock)
    await without.open()
    await refused(without, secret)
    await without.close()


async def test_too_many_client_secrets_are_refused(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> bool:
        return False

    monkeypatch.setattr(SqliteKeys, "add_client_secret", full)
    with pytest.raises(Overloaded):
        await keys.client_secret(ANONYMOUS, 60, {})


async def test_what_cannot_be_made(keys: Keys) -> None:
    for new in (NewKey("x" * 101), NewKey("line\n"), NewKey(expires_at=NOW)):
        with pytest.raises(InvalidRequest):
            await keys.create(new)
    assert await keys.list() == []
    for managed in (keys.get("key_none"), keys.rotate("key_none"), keys.revoke("key_none")):
        with pytest.raises(KeyNotFound, match="key_none"):
            await managed


async def test_another_pepper_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    first = keys_in(path)
    await first.open()
    await first.close()
    other = Keys(Mint(PEPPER[::-1]), SqliteKeys(path, WAIT_SECONDS))
    with pytest.raises(ConfigError, match="another pepper"):
        await other.open()
    await other.close()


async def test_without_a_store_there_is_one_key(clock: Moment) -> None:
    alone = Keys(Mint(PEPPER), None, SHARED, clock=clock)
    await alone.open()
    assert (await alone.admit(SHARED.encode())).caller.id == SHARED_ID
    await refused(alone, Mint(PEPPER).make())
    assert not alone.kept
    with pytest.raises(StoreUnavailable):
        await alone.list()
    await alone.close()
