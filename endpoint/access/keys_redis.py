"""Keys in Redis 7 or newer, or in Valkey, for many servers. Each step is one script or one command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from endpoint.access.keys import MOST_SECRETS, SWEPT, Found, Key, Secret
from endpoint.codec import decode, encode
from endpoint.stores.redis import RedisClient, in_time

# KEYS[1]: what all names begin with; ARGV[1]: not used here. `key:ID` and `secret:PREFIX` are hashes, `ids` has the ids
# of all keys, `secrets:ID` the prefixes of a key's secrets, `until` those that expire, by when they do.
_COMMON = """
local call = redis.call
local function name(...) return KEYS[1] .. table.concat({...}, ':') end
local function key(id) return call('HMGET', name('key', id), 'doc', 'prefix', 'revoked', 'used') end
local function keep_secret(prefix, id, doc, expires)
  call('HSET', name('secret', prefix), 'doc', doc, 'key', id, 'expires', expires)
  call('SADD', name('secrets', id), prefix)
  if expires ~= '' then call('ZADD', name('until'), expires, prefix) end
end
"""
_SCRIPTS = {
    "add": """
local _, id, doc, prefix, secret, expires = unpack(ARGV)
call('HSET', name('key', id), 'doc', doc, 'prefix', prefix)
call('ZADD', name('ids'), 0, id)
keep_secret(prefix, id, secret, expires)
""",
    "list": """
local _, after, limit = unpack(ARGV)
local found = {}
for _, id in ipairs(call('ZREVRANGEBYLEX', name('ids'), after == '' and '+' or '(' .. after, '-', 'LIMIT', 0, limit)) do
  found[#found + 1] = key(id)
end
return found
""",
    "find": """
local secret = call('HMGET', name('secret', ARGV[2]), 'doc', 'expires', 'key')
if not secret[1] then return false end
return {secret, key(secret[3])}
""",
    "rotate": """
local _, id, prefix, secret, expires, ends = unpack(ARGV)
if call('EXISTS', name('key', id)) == 0 then return false end
for _, other in ipairs(call('SMEMBERS', name('secrets', id))) do
  local before = call('HGET', name('secret', other), 'expires')
  if before == '' or tonumber(before) > tonumber(ends) then
    call('HSET', name('secret', other), 'expires', ends)
    call('ZADD', name('until'), ends, other)
  end
end
call('HSET', name('key', id), 'prefix', prefix)
keep_secret(prefix, id, secret, expires)
return key(id)
""",
    "revoke": """
local _, id, now = unpack(ARGV)
if call('EXISTS', name('key', id)) == 0 then return false end
call('HSETNX', name('key', id), 'revoked', now)
return key(id)
""",
    "used": """
if call('EXISTS', name('key', ARGV[2])) == 1 then call('HSET', name('key', ARGV[2]), 'used', ARGV[3]) end
""",
    "add_client_secret": """
local _, id, prefix, secret, expires, now, swept, most = unpack(ARGV)
for _, old in ipairs(call('ZRANGEBYSCORE', name('until'), '-inf', now, 'LIMIT', 0, swept)) do
  local owner = call('HGET', name('secret', old), 'key')
  if owner then call('SREM', name('secrets', owner), old) end
  call('UNLINK', name('secret', old))
  call('ZREM', name('until'), old)
end
if call('SCARD', name('secrets', id)) >= tonumber(most) then return 0 end
keep_secret(prefix, id, secret, expires)
return 1
""",
}


class RedisKeys:
    """A KeyStore. prefix: of all names, as that of jobs."""

    def __init__(self, url: str, prefix: str = "whisper:") -> None:
        scripts = {name: f"#!lua\n{_COMMON}{text}" for name, text in _SCRIPTS.items()}
        self._client = RedisClient(url, f"{{{prefix}}}access:", None, scripts)

    @in_time
    async def open(self) -> None:
        await self._client.open()

    @in_time
    async def close(self) -> None:
        await self._client.close()

    @in_time
    async def pin(self, fingerprint: str) -> str:
        name = self._client.key("pepper")
        await self._client.command("SET", name, fingerprint, "NX")
        kept: bytes = await self._client.command("GET", name)
        return kept.decode()

    @in_time
    async def add(self, key: Key, secret: Secret) -> None:
        await self._client.run("add", key.id, encode(Key, key), *_written(secret))

    @in_time
    async def get(self, key_id: str) -> Key | None:
        fields = "doc", "prefix", "revoked", "used"
        return _key(await self._client.command("HMGET", self._client.key("key", key_id), *fields))

    @in_time
    async def list(self, after: str | None = None, limit: int = 20) -> Sequence[Key]:
        found = await self._client.run("list", after or "", max(0, limit))
        return [key for fields in found if (key := _key(fields))]

    @in_time
    async def find(self, prefix: str) -> Found | None:
        found = await self._client.run("find", prefix)
        if found is None:
            return None
        (document, expires, _), key = found
        return Found(replace(decode(Secret, document), expires_at=float(expires) if expires else None), _key(key))

    @in_time
    async def rotate(self, secret: Secret, until: float) -> Key | None:
        return _key(await self._client.run("rotate", secret.key, *_written(secret), until))

    @in_time
    async def revoke(self, key_id: str, now: float) -> Key | None:
        return _key(await self._client.run("revoke", key_id, repr(now)))

    @in_time
    async def used(self, key_id: str, now: float) -> None:
        await self._client.run("used", key_id, repr(now))

    @in_time
    async def add_client_secret(self, secret: Secret, now: float, most: int = MOST_SECRETS) -> bool:
        given = *_written(secret), repr(now), SWEPT, most
        return bool(await self._client.run("add_client_secret", secret.key, *given))


def _written(secret: Secret) -> tuple[str, bytes, str]:
    """(prefix, document, when it expires)"""
    return secret.prefix, encode(Secret, secret), "" if secret.expires_at is None else repr(secret.expires_at)


def _key(fields: Sequence[bytes | None] | None) -> Key | None:
    if not fields or fields[0] is None:
        return None
    document, prefix, revoked, used = fields
    assert document is not None
    return replace(
        decode(Key, document),
        prefix=(prefix or b"").decode(),
        revoked_at=float(revoked) if revoked else None,
        used_at=float(used) if used else None,
    )
