"""A connection to Redis 7 or newer, or Valkey: scripts, time, and the limits within which it is available or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from endpoint.errors import ConfigError, StoreUnavailable

Value = str | bytes | int | float  # what a command takes

OLDEST = 7  # version of Redis; Valkey says 7 for itself, too
CONNECT_SECONDS, SOCKET_SECONDS = 1.0, 1.5
MOST_SECONDS = 1.8  # for a whole method of the store, whatever it waits for
CLOSED = "the handler is closed"  # uvloop's RuntimeError, of a connection that was reset before it is written to
CONNECTIONS = 32  # of one process; further calls wait for one

P = ParamSpec("P")
T = TypeVar("T")


def in_time(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """StoreUnavailable in place of every error of Redis, and of waiting for it too long.

    Who is cancelled meanwhile is cancelled: asyncio.wait_for of Python 3.11, by which redis-py writes, may lose that.
    """

    @wraps(method)
    async def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        try:
            async with asyncio.timeout(MOST_SECONDS):
                return await method(*args, **kwargs)
        except TimeoutError as error:
            raise StoreUnavailable(f"Redis took longer than {MOST_SECONDS} s.") from error
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis: {error}") from error
        finally:
            if task.cancelling() > before:
                raise asyncio.CancelledError

    return limited


def connections(url: str) -> BlockingConnectionPool:
    """Connections to one server, within our limits of number and time. Raises ConfigError."""
    try:
        return BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=MOST_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # a step may have been taken although nothing came back
            protocol=2,
            driver_info=None,
        )
    except ValueError as error:
        raise ConfigError(f"not the address of a Redis server: {error}") from error


class RedisClient:
    """base: what all keys begin with. clock: of tests; without one, the server's time counts. scripts: Lua, by name."""

    def __init__(self, url: str, base: str, clock: Callable[[], float] | None, scripts: Mapping[str, str]) -> None:
        self.base = base
        self._clock = clock
        self._opened = False
        self._redis = Redis.from_pool(connections(url))
        self._scripts = {name: self._redis.register_script(text) for name, text in scripts.items()}

    async def open(self) -> None:
        """Raises ConfigError where the server is too old."""
        self._opened = True
        version = str((await self._reach(self._redis.info("server")))["redis_version"])
        if int(version.partition(".")[0]) < OLDEST:
            raise ConfigError(f"Redis {OLDEST} or newer is needed, or Valkey; this is Redis {version}.")

    async def close(self) -> None:
        self._opened = False
        await self._redis.connection_pool.disconnect()

    def key(self, *parts: str) -> str:
        return self.base + ":".join(parts)

    async def command(self, *command: Value) -> Any:
        self._check()
        return await self._reach(self._redis.execute_command(*command))  # type: ignore[no-untyped-call]

    async def run(self, script: str, *args: Value) -> Any:
        """What a script gives; its first argument is the time."""
        self._check()
        now = "" if self._clock is None else repr(self._clock())
        return await self._reach(self._scripts[script](keys=[self.base], args=[now, *args]))

    async def time(self) -> float:
        if self._clock is not None:
            return self._clock()
        seconds, micros = await self.command("TIME")
        return int(seconds) + int(micros) / 1e6

    async def _reach(self, step: Awaitable[T]) -> T:
        """Where one connection is lost, those that wait are as well: they would fail one after another."""
        try:
            return await step
        except (RedisConnectionError, RedisTimeoutError):
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise
        except RuntimeError as error:
            if CLOSED not in str(error):
                raise
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise RedisConnectionError(str(error)) from error

    def _check(self) -> None:
        if not self._opened:
            raise StoreUnavailable("The store is closed.")
