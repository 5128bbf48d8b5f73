"""Redis is down, slow, cut off or full: every method says so within its limit, and goes on when Redis is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from endpoint.errors import ConfigError, StoreUnavailable
from endpoint.jobs.job import Job, JobFile
from endpoint.jobs.redis import RedisStore
from endpoint.stores import redis as redis_client
from tests.redis_server import RedisProcess
from tests.tcp_proxy import TcpProxy, proxy_to

LIMIT = 10.0  # seconds; of a busy machine. What is configured is 1.8
BACK = 30.0

METHODS: dict[str, Callable[[RedisStore], Awaitable[object]]] = {
    "open": lambda store: store.open(),
    "ping": lambda store: store.ping(),
    "submit": lambda store: store.submit(a_job(99)),
    "get": lambda store: store.get("job_1"),
    "list": lambda store: store.list(None),
    "cancel": lambda store: store.cancel("job_1"),
    "claim": lambda store: store.claim("worker"),
    "windows": lambda store: store.windows("job_1", 0),
    "sweep": lambda store: store.sweep(),
    "take_deliveries": lambda store: store.take_deliveries("sender"),
    "sizes": lambda store: store.sizes(),
}


def a_job(number: int, size: int = 0) -> Job:
    return Job(f"job_{number}", (JobFile("a.wav", f"spool/{number}", guess_ms=1000),), metadata={"text": "x" * size})


async def unavailable(store: RedisStore) -> None:
    """All at once: each has its own limit."""

    async def one(name: str) -> None:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await METHODS[name](store)
        assert time.monotonic() - begin < LIMIT, name

    await asyncio.gather(*(one(name) for name in METHODS))


async def normal_again(store: RedisStore) -> None:
    end = time.monotonic() + BACK
    while True:
        try:
            await store.ping()
            break
        except StoreUnavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    assert (await store.get("job_1")) == a_job(1)
    await store.submit(a_job(2))
    assert (await store.sizes())["queued"] == 2


def test_the_limits_keep_to_what_the_protocol_says() -> None:
    assert max(redis_client.CONNECT_SECONDS, redis_client.SOCKET_SECONDS) < redis_client.MOST_SECONDS < 2


@pytest.fixture
def server(redis_program: str, tmp_path: Path) -> Iterator[RedisProcess]:
    process = RedisProcess(redis_program, tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def proxy(server: RedisProcess) -> AsyncIterator[TcpProxy]:
    async with proxy_to(server.port) as made:
        yield made


@pytest.fixture
async def store(server: RedisProcess) -> AsyncIterator[RedisStore]:
    made = RedisStore(server.url)
    await made.open()
    await made.submit(a_job(1))
    yield made
    await made.close()


@pytest.fixture
async def behind(proxy: TcpProxy) -> AsyncIterator[RedisStore]:
    made = RedisStore(f"redis://127.0.0.1:{proxy.port}/0")
    await made.open()
    await made.submit(a_job(1))
    yield made
    await made.close()


@pytest.mark.parametrize("end", [RedisProcess.stop, RedisProcess.kill])
async def test_redis_is_down(server: RedisProcess, store: RedisStore, end: Callable[[RedisProcess], None]) -> None:
    end(server)
    await unavailable(store)
    server.start()
    await normal_again(store)


async def test_redis_is_down_from_the_start(server: RedisProcess) -> None:
    server.stop()
    store = RedisStore(server.url)
    await unavailable(store)
    server.start()
    await store.submit(a_job(1))
    await normal_again(store)
    await store.close()


async def test_redis_is_silent(proxy: TcpProxy, behind: RedisStore) -> None:
    proxy.silent = True
    await unavailable(behind)
    proxy.silent = False
    await normal_again(behind)


async def test_redis_is_slow(proxy: TcpProxy, behind: RedisStore) -> None:
    proxy.latency = 30.0
    await unavailable(behind)
    proxy.latency = 0.05
    await normal_again(behind)


async def test_connections_are_cut(proxy: TcpProxy, behind: RedisStore) -> None:
    proxy.reset = True
    proxy.cut()
    await unavailable(behind)
    proxy.reset = False
    await normal_again(behind)


async def test_connections_that_fell_silent_are_given_up_together(proxy: TcpProxy, behind: RedisStore) -> None:
    """As a firewall forgets them."""
    await asyncio.gather(*(behind.get("job_1") for _ in range(20)))
    proxy.forget()
    with pytest.raises(StoreUnavailable):
        await behind.ping()
    await behind.ping()
    await normal_again(behind)


@pytest.mark.parametrize(("why", "caught"), [("the handler is closed", StoreUnavailable), ("a fault", RuntimeError)])
async def test_a_connection_that_uvloop_closed_before_a_write_is_a_lost_one(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, why: str, caught: type[Exception]
) -> None:
    """uvloop raises RuntimeError there, asyncio nothing. What else raises it is a fault of ours, and stays one."""

    async def closed(*_: object, **__: object) -> None:
        raise RuntimeError(f"unable to perform operation on <TCPTransport closed=True>; {why}")

    with monkeypatch.context() as patched:
        patched.setattr(AbstractConnection, "send_packed_command", closed)
        with pytest.raises(caught):
            await store.ping()
    await normal_again(store)


@pytest.mark.usefixtures("patient_redis")
async def test_more_calls_at_once_than_connections(store: RedisStore) -> None:
    assert await asyncio.gather(*(store.get("job_1") for _ in range(5 * redis_client.CONNECTIONS)))


async def test_redis_is_full(server: RedisProcess, store: RedisStore) -> None:
    """What is refused is not half written; what is there can be read, deleted and swept; then there is room again."""
    async with Redis.from_url(server.url) as client:
        used = (await client.info("memory"))["used_memory"]
        await client.config_set("maxmemory", used + 3_000_000)
        await client.config_set("maxmemory-policy", "noeviction")
        accepted = 1 + await fill(store)
        before = await everything(client)
        for method in (store.submit(a_job(5000), "key"), store.claim("worker"), store.cancel("job_1")):
            with pytest.raises(StoreUnavailable):
                await method
        assert await everything(client) == before
        assert len(await store.list(None, limit=1000)) == accepted
        sizes = await store.sizes()
        assert (sizes["jobs"], sizes["queued"], sizes["events"], sizes["keys"] + 1) == (accepted,) * 4
        await store.ping()
        assert await store.delete("job_2") is not None
        await client.config_set("maxmemory", 0)
        assert (await store.submit(a_job(5000), "key")).id == "job_5000"
        assert await store.claim("worker") is not None


async def fill(store: RedisStore) -> int:
    """How many jobs it takes until one is refused."""
    for number in range(2, 1000):
        try:
            await store.submit(a_job(number, size=20_000), f"key-{number}")
        except StoreUnavailable:
            assert number > 5
            return number - 2
    raise AssertionError("it was never full")


async def everything(client: Redis) -> dict[bytes, object]:
    ways = {
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    return {key: await ways[await client.type(key)](key) async for key in client.scan_iter()}


async def test_another_address_than_of_redis_is_refused() -> None:
    with pytest.raises(ConfigError, match="not the address"):
        RedisStore("http://127.0.0.1/")


async def test_an_older_redis_is_refused(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "OLDEST", 1000)
    with pytest.raises(ConfigError, match="1000 or newer"):
        await store.open()


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_that_was_lost_on_the_way_comes_to_its_caller(fails: bool) -> None:
    begun = asyncio.Event()

    @redis_client.in_time
    async def loses_it() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if fails:
                raise RedisConnectionError("gone") from None

    task = asyncio.create_task(loses_it())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_who_is_busy_with_redis_can_be_cancelled(store: RedisStore) -> None:
    async def busy() -> None:
        while True:
            await store.get("job_1")

    tasks = [asyncio.create_task(busy()) for _ in range(16)]
    for _ in range(20):
        await store.ping()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_program_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "MOST_SECONDS", 0.01)
    with pytest.raises(StoreUnavailable, match="longer than"):
        await redis_client.in_time(asyncio.Event().wait)()
