"""The ledger in an SQLite file, which is that of jobs: a job's row is written with its end, in one step."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from endpoint.access.usage import DayUsage, UsageRow
from endpoint.stores.sqlite import WAIT_SECONDS, SqliteFile

# usage_days repeats of the rows what is asked for: their sums.
TABLES = (
    """CREATE TABLE IF NOT EXISTS usage_ledger (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        model TEXT NOT NULL,
        task TEXT NOT NULL,
        audio_ms INTEGER NOT NULL,
        billed_seconds INTEGER NOT NULL,
        at REAL NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS usage_days (
        day TEXT NOT NULL,
        key TEXT NOT NULL,
        model TEXT NOT NULL,
        task TEXT NOT NULL,
        requests INTEGER NOT NULL,
        audio_ms INTEGER NOT NULL,
        billed_seconds INTEGER NOT NULL,
        PRIMARY KEY (day, key, model, task)
    ) WITHOUT ROWID""",
)
_ADD = "INSERT OR IGNORE INTO usage_ledger VALUES (?, ?, ?, ?, ?, ?, ?)"
_COUNT = """
    INSERT INTO usage_days VALUES (?, ?, ?, ?, 1, ?, ?)
    ON CONFLICT (day, key, model, task) DO UPDATE SET
        requests = requests + 1,
        audio_ms = audio_ms + excluded.audio_ms,
        billed_seconds = billed_seconds + excluded.billed_seconds
"""
_DAYS = """
    SELECT * FROM usage_days
    WHERE day BETWEEN :start AND :end AND (:key IS NULL OR key = :key) ORDER BY day, key, model, task
"""


class SqliteLedger:
    """A Ledger. wait_seconds: for others that write."""

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self._file = SqliteFile(path, make_tables, wait_seconds)

    async def open(self) -> None:
        self._file.open()
        await self._file.read(lambda db: None)

    async def close(self) -> None:
        await self._file.close()

    async def add(self, rows: Sequence[UsageRow]) -> None:
        await self._file.write(partial(add_rows, rows))

    async def days(self, start: str, end: str, key: str | None = None) -> Sequence[DayUsage]:
        return await self._file.read(partial(_days, {"start": start, "end": end, "key": key}))


def make_tables(db: sqlite3.Connection) -> None:
    for statement in TABLES:
        db.execute(statement)


def add_rows(rows: Sequence[UsageRow], db: sqlite3.Connection) -> None:
    """Within a transaction."""
    for row in rows:
        values = row.id, row.key, row.model, row.task, row.audio_ms, row.billed_seconds, row.at
        if db.execute(_ADD, values).rowcount:
            db.execute(_COUNT, (row.day, row.key, row.model, row.task, row.audio_ms, row.billed_seconds))


def _days(given: dict[str, str | None], db: sqlite3.Connection) -> Sequence[DayUsage]:
    return [DayUsage(*row) for row in db.execute(_DAYS, given).fetchall()]
