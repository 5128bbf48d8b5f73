"""What the API and the command line do with keys: check them, and make, list, rotate and revoke them."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from endpoint.access.cache import Cache
from endpoint.access.keys import ORDINARY, Found, Key, KeyStore, Secret, new_key_id
from endpoint.access.tokens import CLIENT_SECRET, Mint, prefix_of
from endpoint.caller import Caller, Limits, Scope
from endpoint.errors import ConfigError, InvalidKey, InvalidRequest, KeyNotFound, Overloaded, StoreUnavailable

SHARED_ID = "api-key"  # of the caller with API_KEY
CACHE_SECONDS = 5.0
USED_SECONDS = 60.0  # how exactly it is kept when a key was used
GRACE_SECONDS = 86_400.0  # how long the old secret of a rotated key works, unless it is set otherwise
MOST_NAME = 100  # characters of a key's name
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"  # what a name is made of
INVALID = "There is no valid API key in the request. Send the header `Authorization: Bearer KEY`."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Admitted:
    """Whom a secret stands for. session: what a client secret was made for."""

    caller: Caller
    session: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class NewKey:
    """What a key is made with. expires_at: seconds since 1970."""

    name: str = ""
    scopes: frozenset[Scope] = ORDINARY
    models: frozenset[str] | None = None
    limits: Limits = field(default_factory=Limits)
    expires_at: float | None = None
    sampling: bool = False


class Keys:
    """store: None where there is only `api_key`. clock: seconds since 1970."""

    def __init__(
        self,
        mint: Mint,
        store: KeyStore | None,
        api_key: str | None = None,
        cache: Cache[Found | None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._mint, self._store, self._clock = mint, store, clock
        self._shared = mint.digest(api_key.encode()) if api_key else None
        self._cache = cache or Cache(CACHE_SECONDS)

    @property
    def store(self) -> KeyStore:
        """Raises StoreUnavailable where there is none."""
        if self._store is None:
            raise StoreUnavailable("Keys are not kept on this server: it has only one, that of its settings.")
        return self._store

    @property
    def kept(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    async def open(self) -> None:
        """Raises StoreUnavailable, and ConfigError where the keys that are kept were made with another pepper."""
        if self._store is None:
            return
        await self._store.open()
        if not hmac.compare_digest(await self._store.pin(self._mint.fingerprint), self._mint.fingerprint):
            raise ConfigError(
                "KEY_PEPPER: the keys that are kept were made with another pepper, so none of them would be valid"
            )

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()

    # ---- checks

    async def admit(self, token: bytes) -> Admitted:
        """Who sent this secret. Raises InvalidKey, which never says why, and StoreUnavailable.

        Every secret that was not made here takes the same steps, whether a part of it is right or nothing is.
        """
        digest = self._mint.digest(token)
        shared = hmac.compare_digest(digest, self._shared or "")
        genuine = self._mint.genuine(token)
        if shared:
            return Admitted(Caller(SHARED_ID, "API_KEY", ORDINARY))
        found = await self._find(prefix_of(token.decode())) if genuine and self._store is not None else None
        if found is None or not hmac.compare_digest(digest, found.secret.digest):
            raise InvalidKey(INVALID)
        return self._admitted(found)

    def _admitted(self, found: Found) -> Admitted:
        secret, key, now = found.secret, found.key, self._clock()
        if secret.expires_at is not None and secret.expires_at <= now:
            raise InvalidKey(INVALID)
        if key is None and secret.key == SHARED_ID and self._shared is not None:
            key = Key(SHARED_ID, "API_KEY")
        if key is None or key.status(now) != "active":
            raise InvalidKey(INVALID)
        caller = Caller(key.id, key.name, key.scopes, key.models, key.limits, key.sampling)
        if secret.session is not None:
            caller = replace(caller, scopes=caller.scopes & {Scope.REALTIME})
        return Admitted(caller, secret.session)

    async def _find(self, prefix: str) -> Found | None:
        return await self._cache.get(prefix, lambda: self._look_up(prefix))

    async def _look_up(self, prefix: str) -> Found | None:
        found, now = await self.store.find(prefix), self._clock()
        if found is not None and found.key is not None and now - (found.key.used_at or 0.0) >= USED_SECONDS:
            with suppress(StoreUnavailable):  # a store that takes no more can still say who may call
                await self.store.used(found.key.id, now)
        return found

    # ---- management

    async def create(self, new: NewKey) -> tuple[Key, str]:
        """The key, and its secret, which is not kept. Raises InvalidRequest, StoreUnavailable."""
        now = self._clock()
        if len(new.name) > MOST_NAME or not re.fullmatch(PRINTABLE, new.name):
            raise InvalidRequest(f"name: at most {MOST_NAME} printable characters", param="name")
        if new.expires_at is not None and new.expires_at <= now:
            raise InvalidRequest("expires: this moment is over", param="expires_at")
        token = self._mint.make()
        kept = vars(new) | {"created_at": now, "prefix": prefix_of(token)}
        key = Key(new_key_id(now), **kept)
        await self.store.add(key, self._secret(token, key.id))
        log.info("key created", key=key.id, name=key.name)
        return key, token

    async def get(self, key_id: str) -> Key:
        """Raises KeyNotFound, StoreUnavailable."""
        return _there(await self.store.get(key_id), key_id)

    async def list(self, after: str | None = None, limit: int = 20) -> Sequence[Key]:
        return await self.store.list(after, limit)

    async def rotate(self, key_id: str, grace_seconds: float = GRACE_SECONDS) -> tuple[Key, str]:
        """The key with another secret; the old one works for so long. Raises KeyNotFound, InvalidRequest."""
        now = self._clock()
        if (status := (await self.get(key_id)).status(now)) != "active":
            raise InvalidRequest(f"The key {key_id} is {status}; make another one.")
        token = self._mint.make()
        key = _there(await self.store.rotate(self._secret(token, key_id), now + grace_seconds), key_id)
        self._cache.clear()
        log.info("key rotated", key=key.id, name=key.name, grace_seconds=grace_seconds)
        return key, token

    async def revoke(self, key_id: str) -> Key:
        """Other processes notice when what they have looked up is no longer trusted. Raises KeyNotFound."""
        key = _there(await self.store.revoke(key_id, self._clock()), key_id)
        self._cache.clear()
        log.info("key revoked", key=key.id, name=key.name)
        return key

    async def client_secret(self, caller: Caller, seconds: float, session: Mapping[str, Any]) -> tuple[str, float]:
        """A secret for this caller's sockets, and when it expires, in seconds since 1970.

        Raises Overloaded where the caller has too many already, StoreUnavailable.
        """
        token, now = self._mint.make(CLIENT_SECRET), self._clock()
        secret = replace(self._secret(token, caller.id), expires_at=now + seconds, session=session)
        if not await self.store.add_client_secret(secret, now):
            raise Overloaded("This key has too many client secrets that have not expired.")
        return token, now + seconds

    def _secret(self, token: str, key_id: str) -> Secret:
        return Secret(prefix_of(token), key_id, self._mint.digest(token.encode()))


def _there(key: Key | None, key_id: str) -> Key:
    if key is None:
        raise KeyNotFound(f"There is no key `{key_id[:64]}`.")
    return key
