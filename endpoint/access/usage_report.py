"""Usage as JSON and as a table, for the route and the command."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from endpoint.access.usage import Group, GroupUsage, total

DAYS = 30  # that are shown where no start is given


def first_day(end: date) -> date:
    """Of the days that are shown to `end`."""
    return end - timedelta(days=min(DAYS - 1, (end - date.min).days))


def as_json(groups: Sequence[GroupUsage], by: Group, currency: str, start: str, end: str) -> dict[str, Any]:
    return {
        "object": "usage",
        "start": start,
        "end": end,
        "group_by": by,
        "currency": currency,
        "data": [{"name": group.name, **_numbers(group)} for group in groups],
        "total": _numbers(total(groups)),
    }


def as_csv(groups: Sequence[GroupUsage], by: Group, currency: str) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([by, "requests", "audio_seconds", "billed_seconds", "amount", "currency"])
    writer.writerows([*cells(group), currency] for group in groups)
    return table.getvalue()


def cells(group: GroupUsage) -> list[str]:
    """Name, requests, seconds of audio, billed seconds, amount; the amount is empty where a price is missing."""
    amount = "" if group.amount is None else str(_money(group.amount))
    return [group.name, str(group.requests), f"{group.audio_ms / 1000:.3f}", str(group.billed_seconds), amount]


def _numbers(group: GroupUsage) -> dict[str, Any]:
    return {
        "requests": group.requests,
        "audio_seconds": group.audio_ms / 1000,
        "billed_seconds": group.billed_seconds,
        "amount": None if group.amount is None else float(_money(group.amount)),
    }


def _money(amount: Decimal) -> Decimal:
    """To a millionth."""
    return amount.quantize(Decimal("0.000001"))
