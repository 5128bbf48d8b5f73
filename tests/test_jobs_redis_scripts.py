"""The Lua scripts of the Redis store: endpoint.jobs.redis_scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from endpoint.jobs import redis
from endpoint.jobs.redis_scripts import FOLDER, load

SCRIPTS = load()
READERS = {"read", "list", "position", "failed_deliveries", "usage", "sizes"}
RELIEF = {"delete", "sweep", "delivered", "forget_sources"}  # free memory


def test_each_says_what_it_may_do() -> None:
    first = {name: text.splitlines()[0] for name, text in SCRIPTS.items()}
    assert {name for name, line in first.items() if line == "#!lua flags=no-writes"} == READERS
    assert {name for name, line in first.items() if line == "#!lua flags=allow-oom"} == RELIEF
    assert {line for name, line in first.items() if name not in READERS | RELIEF} == {"#!lua"}


def test_each_is_used() -> None:
    source = Path(redis.__file__).read_text(encoding="utf-8")
    assert set(SCRIPTS) == set(re.findall(r'(?:run|_held)\(\s*"(\w+)"', source))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.lua")), ids=lambda path: path.stem)
def test_lines_are_short(path: Path) -> None:
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120


async def test_redis_can_compile_them(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        assert len({await client.script_load(text) for text in SCRIPTS.values()}) == len(SCRIPTS)
