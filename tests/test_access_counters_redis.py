"""What the counters leave in Redis, and what an outage looks like: endpoint.access.counters_redis."""

from __future__ import annotations

import uuid

import pytest
from redis.asyncio import Redis

from endpoint.access.counters_redis import redis_counters
from endpoint.errors import ConfigError, StoreUnavailable
from endpoint.net import free_port


async def test_everything_is_forgotten_some_day_and_in_one_slot_of_a_cluster(redis_url: str) -> None:
    prefix = f"test-{uuid.uuid4().hex}"
    counters = redis_counters(redis_url, prefix)
    await counters.hit("a", 3)
    await counters.add("b", 3, 1000)
    await counters.slots.enter("c", "one", 1, 1000)
    client: Redis = Redis.from_url(redis_url)
    keys = [key async for key in client.scan_iter(f"*{prefix}*")]
    assert len(keys) == 3
    for key in keys:
        assert key.startswith(f"{{{prefix}}}limits:".encode())
        assert 0 < await client.ttl(key) <= 1001
    await client.aclose()
    await counters.close()


async def test_without_a_server_it_is_unavailable() -> None:
    counters = redis_counters(f"redis://127.0.0.1:{free_port()}/0")
    for step in (counters.hit("a", 1), counters.add("a", 1, 1), counters.sums(["a"]), counters.slots.leave("a", "b")):
        with pytest.raises(StoreUnavailable):
            await step
    with pytest.raises(StoreUnavailable):
        await counters.slots.enter("a", "b", 1, 1)
    await counters.close()


def test_an_address_has_to_be_one() -> None:
    with pytest.raises(ConfigError, match="Redis"):
        redis_counters("redis://host:port/")
