"""What the tests of keys share: keys in a file, made by hand, and a clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from endpoint.access.cache import Cache
from endpoint.access.keys import Key, Secret
from endpoint.access.keys_sqlite import SqliteKeys
from endpoint.access.service import Keys, NewKey
from endpoint.access.tokens import Mint

PEPPER = b"0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000.0
WAIT_SECONDS = 60.0  # tests do not fail because the machine is busy


class Moment:
    """A clock, by hand."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def made_key(number: int, **fields: Any) -> Key:
    """Ids sort by number."""
    return Key(**{"id": f"key_{number:06d}", "prefix": f"sk-{number:012d}", "created_at": NOW + number} | fields)


def made_secret(key: Key, **fields: Any) -> Secret:
    return Secret(**{"prefix": key.prefix, "key": key.id, "digest": f"digest of {key.prefix}"} | fields)


def keys_in(path: Path, clock: Callable[[], float] | None = None, **options: Any) -> Keys:
    """Keys in a file; nothing is cached, unless a cache is given."""
    options = {"cache": Cache(0.0)} | options | ({} if clock is None else {"clock": clock})
    return Keys(Mint(PEPPER), SqliteKeys(path, WAIT_SECONDS), **options)


async def secret_of(keys: Keys, *scopes: Any, **fields: Any) -> str:
    """The secret of a new key. scopes: those of an ordinary key, if none are given."""
    await keys.open()
    given = {"scopes": frozenset(scopes)} if scopes else {}
    return (await keys.create(NewKey(**given | fields)))[1]


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}
