"""Counters in Redis or Valkey, for many servers: the storage of the package `limits`, within our limits of time."""

from __future__ import annotations

from typing import Any

from limits.aio.storage import RedisStorage
from redis.asyncio import BlockingConnectionPool

from endpoint.access.counters import Counters
from endpoint.stores.redis import RedisClient, connections, in_time

_SCRIPTS = {
    "enter": """#!lua
local _, slots, name, limit, seconds = unpack(ARGV)
local key, time = KEYS[1] .. slots, redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
local others = redis.call('ZCARD', key) - (redis.call('ZSCORE', key, name) and 1 or 0)
if others >= tonumber(limit) then return 0 end
redis.call('ZADD', key, string.format('%.3f', now + tonumber(seconds)), name)
local longest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIREAT', key, math.ceil(tonumber(longest) * 1000))
return 1
""",
}


class TimedRedisStorage(RedisStorage):
    """Raises StoreUnavailable in place of Redis' own errors, within 2 s."""

    @in_time
    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return await super().incr(key, expiry, amount)

    @in_time
    async def get(self, key: str) -> int:
        return await super().get(key)

    @in_time
    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return await super().acquire_entry(key, limit, expiry, amount)

    @in_time
    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        return await super().get_moving_window(key, limit, expiry)


class RedisSlots:
    """Slots, by the time of the server. connections: of the storage, closed together with them."""

    def __init__(self, client: RedisClient, connections: BlockingConnectionPool) -> None:
        self._client, self._connections = client, connections
        self._opened = False

    @in_time
    async def close(self) -> None:
        await self._client.close()
        await self._connections.disconnect()

    @in_time
    async def enter(self, key: str, name: str, limit: int, seconds: float) -> bool:
        if not self._opened:
            await self._client.open()
            self._opened = True
        return bool(await self._client.run("enter", key, name, limit, seconds))

    @in_time
    async def leave(self, key: str, name: str) -> None:
        await self._client.command("ZREM", self._client.key(key), name)


def redis_counters(url: str, prefix: str = "whisper:") -> Counters:
    """Raises ConfigError where this is no address."""
    base = f"{{{prefix}}}limits:"
    client, pool = RedisClient(url, base, None, _SCRIPTS), connections(url)
    options: dict[str, Any] = {"connection_pool": pool}
    storage = TimedRedisStorage("async+redis://", implementation="redispy", key_prefix=base, **options)
    return Counters(storage, RedisSlots(client, pool))
