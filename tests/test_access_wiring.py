"""Which keys the settings mean, and when the server may do without any: endpoint.access.wiring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from endpoint.access.keys_redis import RedisKeys
from endpoint.access.keys_sqlite import SqliteKeys
from endpoint.access.wiring import build_keys, check_anonymous, is_loopback, kept_keys
from endpoint.config import Settings
from endpoint.errors import ConfigError

PEPPER = "p" * 32
REDIS = "redis://localhost:1/0"


def settings(**given: Any) -> Settings:
    return Settings(engine="fake", **given)


def test_without_a_key_none_is_asked_for() -> None:
    assert build_keys(settings()) is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"keys_url": "jobs"}, SqliteKeys),
        ({"keys_url": "jobs", "jobs_url": REDIS, "key_pepper": PEPPER}, RedisKeys),
        ({"keys_url": REDIS, "key_pepper": PEPPER}, RedisKeys),
        ({"keys_url": "keys.db", "jobs_url": "off"}, SqliteKeys),
        ({"api_key": "k"}, SqliteKeys),
    ],
)
def test_keys_are_where_the_settings_put_them(given: dict[str, Any], kind: type) -> None:
    keys = build_keys(settings(**given))
    assert keys is not None
    assert type(keys.store) is kind


@pytest.mark.parametrize("given", [{"jobs_url": "off"}, {"jobs_url": REDIS}])
def test_one_key_needs_no_store(given: dict[str, Any]) -> None:
    keys = build_keys(settings(api_key="k", **given))
    assert keys is not None
    assert not keys.kept


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"keys_url": "jobs", "jobs_url": "off"}, "JOBS_URL is `off`"),
        ({"keys_url": REDIS}, "KEY_PEPPER: with Redis"),
        ({"keys_url": "http://x", "key_pepper": PEPPER}, "http is no store"),
        ({"keys_url": REDIS, "api_key": "k"}, "KEY_PEPPER"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_keys(settings(**given))


async def test_servers_with_one_state_folder_know_each_others_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.access_support import secret_of

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, other = (kept_keys(settings(keys_url=str(tmp_path / "keys.db"), port=port)) for port in (1, 2))
    token = await secret_of(one)
    await other.open()
    assert (await other.admit(token.encode())).caller.id == (await one.list())[0].id
    await one.close()
    await other.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_loopback_no_key_is_needed(host: str) -> None:
    assert is_loopback(host)
    assert check_anonymous(settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "server.example", ""])
def test_elsewhere_it_has_to_be_allowed(host: str) -> None:
    with pytest.raises(ConfigError, match=r"ALLOW_ANONYMOUS=true.*HOST=127\.0\.0\.1"):
        check_anonymous(settings(host=host))
    assert check_anonymous(settings(host=host, allow_anonymous=True))
    assert not check_anonymous(settings(host=host, api_key="k"))
    assert not check_anonymous(settings(host=host, keys_url="jobs"))
