"""The ledger in Redis or Valkey, beside the jobs: a job's row is written with its end, in one step.

`usage:rows:MONTH` is a hash of rows by id, as JSON; `usage:days:DAY` has their sums; `usage:all` the names of all days.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from endpoint.access.usage import DayUsage, UsageRow
from endpoint.stores.redis import RedisClient, in_time

# A part of every script that adds rows. base: what all names begin with.
ACCOUNT = """
local function account(base, id, row)
  local key, model, task, audio, billed, day = unpack(cjson.decode(row))
  if redis.call('HSETNX', base .. 'usage:rows:' .. day:sub(1, 7), id, row) == 0 then return end
  local sums = base .. 'usage:days:' .. day
  local group = cjson.encode({key, model, task})
  redis.call('HINCRBY', sums, 'requests ' .. group, 1)
  redis.call('HINCRBY', sums, 'audio ' .. group, audio)
  redis.call('HINCRBY', sums, 'billed ' .. group, billed)
  redis.call('ZADD', base .. 'usage:all', 0, day)
end
"""
_SCRIPTS = {
    "add": f"""#!lua
{ACCOUNT}
for at = 2, #ARGV, 2 do account(KEYS[1], ARGV[at], ARGV[at + 1]) end
""",
    "days": """#!lua flags=no-writes
local found = {}
for _, day in ipairs(redis.call('ZRANGEBYLEX', KEYS[1] .. 'usage:all', '[' .. ARGV[2], '[' .. ARGV[3])) do
  found[#found + 1] = day
  found[#found + 1] = redis.call('HGETALL', KEYS[1] .. 'usage:days:' .. day)
end
return found
""",
}


class RedisLedger:
    """A Ledger. prefix: of all names, as that of jobs."""

    def __init__(self, url: str, prefix: str = "whisper:") -> None:
        self._client = RedisClient(url, f"{{{prefix}}}", None, _SCRIPTS)

    @in_time
    async def open(self) -> None:
        await self._client.open()

    @in_time
    async def close(self) -> None:
        await self._client.close()

    @in_time
    async def add(self, rows: Sequence[UsageRow]) -> None:
        if rows:
            await self._client.run("add", *(value for row in rows for value in (row.id, write_row(row))))

    @in_time
    async def days(self, start: str, end: str, key: str | None = None) -> Sequence[DayUsage]:
        found = await self._client.run("days", start, end)
        rows = [row for day, sums in zip(found[::2], found[1::2], strict=True) for row in _read_day(day.decode(), sums)]
        chosen = [row for row in rows if key is None or row.key == key]
        return sorted(chosen, key=lambda row: (row.day, row.key, row.model, row.task))


def write_row(row: UsageRow) -> str:
    """As the scripts take it."""
    return json.dumps([row.key, row.model, row.task, row.audio_ms, row.billed_seconds, row.day, row.at])


def _read_day(day: str, sums: Sequence[bytes]) -> list[DayUsage]:
    by_group: dict[str, dict[str, int]] = {}
    for name, value in zip(sums[::2], sums[1::2], strict=True):
        kind, _, group = name.decode().partition(" ")
        by_group.setdefault(group, {})[kind] = int(value)
    rows = []
    for group, numbers in by_group.items():
        key, model, task = json.loads(group)
        rows.append(DayUsage(day, key, model, task, numbers["requests"], numbers["audio"], numbers["billed"]))
    return rows
