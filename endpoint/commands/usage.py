"""`endpoint usage`: what was transcribed for whom, and what it costs; from the store that the settings name."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from rich.console import Console
from rich.table import Table

from endpoint.access.limits_wiring import build_ledger
from endpoint.access.usage import DayUsage, GroupUsage, grouped, total
from endpoint.access.usage_report import DAYS, as_csv, as_json, cells, first_day
from endpoint.access.wiring import key_store, location
from endpoint.config import Settings, load_settings
from endpoint.errors import ConfigError, InvalidRequest

WIDE = 1000  # columns: a table is as wide as what is in it, and ids can be copied
KEY_ID = "key_"
COLUMNS = ("requests", "audio seconds", "billed seconds")


def run(argv: list[str]) -> int:
    given = _parser().parse_args(argv)
    settings = load_settings()
    end = given.end or datetime.now(UTC).date()
    start = given.start or first_day(end)
    if start > end:
        raise InvalidRequest("--start is after --end")
    days = asyncio.run(_read(settings, start.isoformat(), end.isoformat(), given.key))
    groups = grouped(days, given.group_by, settings.prices)
    if given.format == "csv":
        sys.stdout.write(as_csv(groups, given.group_by, settings.price_currency))
    elif given.format == "json":
        body = as_json(groups, given.group_by, settings.price_currency, start.isoformat(), end.isoformat())
        print(json.dumps(body, ensure_ascii=False, indent=2))
    else:
        names = asyncio.run(_names(settings, groups)) if given.group_by == "key" else {}
        _show(groups, names, given.group_by, settings.price_currency, f"{start} to {end}, UTC")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="endpoint usage",
        description="What was transcribed, by day, caller or model; from the store of JOBS_URL, priced by PRICES.",
    )
    parser.add_argument(
        "--start", type=date.fromisoformat, help=f"first day, 2026-11-01 (default: the last {DAYS} days)"
    )
    parser.add_argument("--end", type=date.fromisoformat, help="last day, which is included (default: today, UTC)")
    parser.add_argument("--group-by", choices=("day", "key", "model"), default="day")
    parser.add_argument("--key", help="id of one caller; unset: all")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    return parser


async def _read(settings: Settings, start: str, end: str, key: str | None) -> Sequence[DayUsage]:
    ledger = build_ledger(settings)
    if ledger is None:
        raise ConfigError("JOBS_URL is off: there is no store, and no usage in it")
    try:
        await ledger.open()
        return await ledger.days(start, end, key)
    finally:
        await ledger.close()


async def _names(settings: Settings, groups: Sequence[GroupUsage]) -> dict[str, str]:
    """What keys are called, by their id. Some callers are no keys: `anonymous`, or API_KEY's."""
    ids = [group.name for group in groups if group.name.startswith(KEY_ID)]
    if not ids:
        return {}
    store = key_store(location(settings))
    await store.open()
    try:
        found = [await store.get(key_id) for key_id in ids]
    finally:
        await store.close()
    return {key.id: key.name for key in found if key is not None}


def _show(groups: Sequence[GroupUsage], names: Mapping[str, str], by: str, currency: str, title: str) -> None:
    table = Table(by, title=title, title_justify="left", show_footer=True)
    whole = cells(total(groups))
    for name, footer in zip((*COLUMNS, currency), whole[1:], strict=True):
        table.add_column(name, footer, justify="right")
    for group in groups:
        name, *numbers = cells(group)
        table.add_row(f"{names.get(name, '')} {name}".strip(), *numbers)
    Console(soft_wrap=True, width=WIDE).print(table if groups else f"no usage from {title}", highlight=False)
