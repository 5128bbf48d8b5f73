"""A key, its secrets, and where they are kept: one protocol for SQLite and Redis.

Of a secret only a digest is kept, and the part it is looked up by. Times are seconds since 1970, as floats.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from endpoint.caller import Limits, Scope
from endpoint.errors import InvalidRequest

ORDINARY = frozenset(Scope) - {Scope.ADMIN}  # what a key may do unless it is made for something else
SWEPT = 100  # most secrets that are forgotten at once
MOST_SECRETS = 10_000  # of one key, client secrets included
MOST_LIMIT = 2**53  # larger whole numbers are not exact everywhere
LIMIT_NAMES = tuple(one.name for one in fields(Limits))


@dataclass(frozen=True)
class Key:
    """prefix: of its newest secret. models: names that clients may send; None: all. used_at: exact to the minute.

    sampling: its owner consents that recordings are kept, to measure the accuracy.
    """

    id: str
    name: str = ""
    scopes: frozenset[Scope] = ORDINARY
    models: frozenset[str] | None = None
    limits: Limits = field(default_factory=Limits)
    created_at: float = 0.0
    expires_at: float | None = None
    prefix: str = ""
    revoked_at: float | None = None
    used_at: float | None = None
    sampling: bool = False

    def status(self, now: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True)
class Secret:
    """prefix: what it is looked up by. key: id of the key it belongs to. digest: of the whole, in hexadecimal digits.

    session: of a client secret, which browsers get for sockets: what the session is to be; None for any other.
    """

    prefix: str
    key: str
    digest: str
    expires_at: float | None = None
    session: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Found:
    """key: None where no such key is kept: the secret was made for the key of the settings."""

    secret: Secret
    key: Key | None


class KeyStore(Protocol):
    """Raises StoreUnavailable, from every method. Each is one atomic step, durable when it returns."""

    async def open(self) -> None:
        """Connect, and make what is missing. Again does nothing. Raises ConfigError."""

    async def close(self) -> None: ...

    async def pin(self, fingerprint: str) -> str:
        """Keep what identifies the pepper, unless there is one already; returns the one that is kept."""
        ...

    async def add(self, key: Key, secret: Secret) -> None: ...

    async def get(self, key_id: str) -> Key | None: ...

    async def list(self, after: str | None = None, limit: int = 20) -> Sequence[Key]:
        """The newest first. after: id of the last one of the page before."""
        ...

    async def find(self, prefix: str) -> Found | None:
        """By the prefix of a secret. Whether it is right, and still good, is not checked."""
        ...

    async def rotate(self, secret: Secret, until: float) -> Key | None:
        """Give a key another secret. Its others are good until then, or until they expire. None where there is none."""
        ...

    async def revoke(self, key_id: str, now: float) -> Key | None:
        """For ever; a second time changes nothing. None where there is none."""
        ...

    async def used(self, key_id: str, now: float) -> None: ...

    async def add_client_secret(self, secret: Secret, now: float, most: int = MOST_SECRETS) -> bool:
        """Whether it was kept: not where its key has so many. Also forgets some of those that have expired."""
        ...


def new_key_id(now: float) -> str:
    """Ids sort by the time they were made at."""
    return f"key_{int(now * 1000):012x}{secrets.token_hex(8)}"


def limits_of(given: Mapping[str, Any]) -> Limits:
    """Limits by name. Raises InvalidRequest for a name that is none, and for a value that is no number from 0 on."""
    for name, value in given.items():
        if name not in LIMIT_NAMES:
            raise InvalidRequest(f"limits: `{name[:50]}` is none; there are {', '.join(LIMIT_NAMES)}", param="limits")
        if value is not None and (type(value) is not int or not 0 <= value <= MOST_LIMIT):
            raise InvalidRequest(f"limits: {name} must be a whole number from 0 to {MOST_LIMIT}", param="limits")
    return Limits(**given)


def scopes_of(given: Sequence[str]) -> frozenset[Scope]:
    """Raises InvalidRequest."""
    known = {scope.value for scope in Scope}
    if not given or not set(given) <= known:
        raise InvalidRequest(f"scopes: one or more of {', '.join(Scope)}", param="scopes")
    return frozenset(map(Scope, given))
