"""What every ledger does, and what is made of its rows: endpoint.access.usage."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from endpoint.access.usage import DayUsage, GroupUsage, Ledger, UsageRow, billed, grouped, total

pytest_plugins = ["tests.access_contract"]

NOON = 1_764_158_400.0  # 2025-11-26 12:00 UTC
DAY = 86_400.0


def row(number: int, **fields: object) -> UsageRow:
    return replace(UsageRow(f"req_{number}", "alice", "base", "transcribe", 1_500, 2, NOON), **fields)


async def test_rows_are_summed_by_day_key_model_and_task(ledger: Ledger) -> None:
    await ledger.add([row(1), row(2, audio_ms=501, billed_seconds=1), row(3, model="tiny"), row(4, task="translate")])
    await ledger.add([row(5, key='bob\0, "ü"', at=NOON + DAY)])
    await ledger.add([])
    assert await ledger.days("2025-11-26", "2025-11-27") == [
        DayUsage("2025-11-26", "alice", "base", "transcribe", 2, 2_001, 3),
        DayUsage("2025-11-26", "alice", "base", "translate", 1, 1_500, 2),
        DayUsage("2025-11-26", "alice", "tiny", "transcribe", 1, 1_500, 2),
        DayUsage("2025-11-27", 'bob\0, "ü"', "base", "transcribe", 1, 1_500, 2),
    ]
    assert len(await ledger.days("2025-11-26", "2025-11-26")) == 3
    assert len(await ledger.days("2025-11-01", "2025-11-30", 'bob\0, "ü"')) == 1
    assert await ledger.days("2025-11-28", "2025-12-31") == []


async def test_a_row_counts_once(ledger: Ledger) -> None:
    await asyncio.gather(*(ledger.add([row(1, audio_ms=number), row(2)]) for number in range(1, 20)))
    (day,) = await ledger.days("2025-11-26", "2025-11-26")
    assert (day.requests, day.billed_seconds) == (2, 4)
    assert day.audio_ms - 1_500 in range(1, 20)  # that of the first to come


async def test_the_sum_is_exact(ledger: Ledger) -> None:
    rows = [row(number, audio_ms=number * 7919 % 600_001, billed_seconds=number % 601) for number in range(1_000)]
    await ledger.add(rows)
    (day,) = await ledger.days("2025-11-26", "2025-11-26")
    assert day.audio_ms == sum(one.audio_ms for one in rows)
    assert day.billed_seconds == sum(one.billed_seconds for one in rows)


def test_each_recording_is_rounded_up() -> None:
    assert billed([]) == 0
    assert billed([1]) == 1
    assert billed([1000, 1001]) == 3


def test_groups_have_amounts_where_there_are_prices() -> None:
    rows = [
        DayUsage("2025-11-26", "alice", "base", "transcribe", 2, 90_000, 90),
        DayUsage("2025-11-27", "alice", "large", "transcribe", 1, 59_001, 60),
        DayUsage("2025-11-27", "bob", "base", "translate", 1, 0, 0),
    ]
    prices = {"*": 0.006, "large": 0.1}
    assert grouped(rows, "key", prices) == [
        GroupUsage("alice", 3, 149_001, 150, Decimal("0.109")),
        GroupUsage("bob", 1, 0, 0, Decimal(0)),
    ]
    assert [group.name for group in grouped(rows, "day", prices)] == ["2025-11-26", "2025-11-27"]
    assert [group.amount for group in grouped(rows, "model", {"large": 0.1})] == [None, Decimal("0.1")]
    assert total(grouped(rows, "model", prices)) == GroupUsage("", 4, 149_001, 150, Decimal("0.109"))
    assert total(grouped(rows, "model", {"large": 0.1})).amount is None
    assert total([]).amount == 0
