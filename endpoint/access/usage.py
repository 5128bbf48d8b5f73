"""The ledger of usage: what was transcribed for whom, a row for each request or job, once. Values, and its interface.

Rows are added and never changed. Amounts of audio are whole milliseconds; what is billed are whole seconds, each
recording rounded up. Days are those of UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, Protocol

Group = Literal["day", "key", "model"]
EVERY_MODEL = "*"


@dataclass(frozen=True)
class UsageRow:
    """id: of the request or job. key: id of the caller. at: when the work was done, in seconds since 1970."""

    id: str
    key: str
    model: str
    task: str
    audio_ms: int
    billed_seconds: int
    at: float

    @property
    def day(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).date().isoformat()


@dataclass(frozen=True)
class DayUsage:
    """The rows of one day, caller, model and task together. requests: how many they are."""

    day: str
    key: str
    model: str
    task: str
    requests: int
    audio_ms: int
    billed_seconds: int


@dataclass(frozen=True)
class GroupUsage:
    """name: of the day, caller or model. amount: what it costs; None where a model has no price."""

    name: str
    requests: int
    audio_ms: int
    billed_seconds: int
    amount: Decimal | None


class Ledger(Protocol):
    """Raises StoreUnavailable, from every method, within 2 s."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def add(self, rows: Sequence[UsageRow]) -> None:
        """Those whose id is there already are left out. All or none, and durable when it returns."""

    async def days(self, start: str, end: str, key: str | None = None) -> Sequence[DayUsage]:
        """From the day `start` to the day `end`, both included (2026-11-26). key: None for all callers."""
        ...


def billed(durations_ms: Iterable[int]) -> int:
    """Seconds: each recording is rounded up, as OpenAI's `usage` of a response has it."""
    return sum(-(-duration // 1000) for duration in durations_ms)


def grouped(rows: Sequence[DayUsage], by: Group, prices: Mapping[str, float]) -> list[GroupUsage]:
    """The rows by day, caller or model, in the order of their names. prices: of a minute, by model."""
    found: dict[str, GroupUsage] = {}
    for row in rows:
        name = str(getattr(row, by))
        amount = _amount(row, prices)
        before = found.get(name, GroupUsage(name, 0, 0, 0, Decimal(0)))
        found[name] = GroupUsage(
            name,
            before.requests + row.requests,
            before.audio_ms + row.audio_ms,
            before.billed_seconds + row.billed_seconds,
            None if amount is None or before.amount is None else before.amount + amount,
        )
    return [found[name] for name in sorted(found)]


def total(groups: Sequence[GroupUsage]) -> GroupUsage:
    """All of them together."""
    amounts = [group.amount for group in groups if group.amount is not None]
    return GroupUsage(
        "",
        sum(group.requests for group in groups),
        sum(group.audio_ms for group in groups),
        sum(group.billed_seconds for group in groups),
        sum(amounts, Decimal(0)) if len(amounts) == len(groups) else None,
    )


def _amount(row: DayUsage, prices: Mapping[str, float]) -> Decimal | None:
    price = prices.get(row.model, prices.get(EVERY_MODEL))
    return None if price is None else Decimal(str(price)) * row.billed_seconds / 60
