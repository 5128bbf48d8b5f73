"""Counters in an SQLite file, for the processes of one machine; the sums of a month outlive a restart."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from limits.aio.storage import MovingWindowSupport, Storage

from endpoint.access.counters import Counters
from endpoint.stores.sqlite import WAIT_SECONDS, SqliteFile

# A commit is not waited for: what a power cut takes is a few counts.
_STATEMENTS = (
    "PRAGMA synchronous = OFF",
    "CREATE TABLE IF NOT EXISTS sums (key TEXT PRIMARY KEY, value INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS sums_until ON sums (until)",
    "CREATE TABLE IF NOT EXISTS hits (key TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS hits_key ON hits (key, at)",
    "CREATE INDEX IF NOT EXISTS hits_until ON hits (until)",
    """CREATE TABLE IF NOT EXISTS slots (
        key TEXT NOT NULL, name TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (key, name)
    ) WITHOUT ROWID""",
)
_SUM = """
    INSERT INTO sums VALUES (:key, :amount, :until)
    ON CONFLICT (key) DO UPDATE SET value = value + :amount RETURNING value
"""


class SqliteStorage(Storage, MovingWindowSupport):
    """A storage of `limits`. clock: seconds since 1970. wait_seconds: for others that write."""

    STORAGE_SCHEME = None

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, wait_seconds: float = WAIT_SECONDS) -> None:
        super().__init__()
        self.file = SqliteFile(path, _prepare, wait_seconds)
        self.file.open()
        self.clock = clock

    @property
    def base_exceptions(self) -> type[Exception]:
        return sqlite3.Error

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = self.clock()

        def step(db: sqlite3.Connection) -> int:
            db.execute("DELETE FROM sums WHERE until <= ?", (now,))
            value: int = db.execute(_SUM, {"key": key, "amount": amount, "until": now + expiry}).fetchone()[0]
            return value

        return await self.file.write(step)

    async def get(self, key: str) -> int:
        query, values = "SELECT value FROM sums WHERE key = ? AND until > ?", (key, self.clock())
        row = await self.file.read(lambda db: db.execute(query, values).fetchone())
        return row[0] if row else 0

    async def get_expiry(self, key: str) -> float:
        row = await self.file.read(lambda db: db.execute("SELECT until FROM sums WHERE key = ?", (key,)).fetchone())
        return row[0] if row else self.clock()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = self.clock()

        def step(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM hits WHERE until <= ?", (now,))
            count: int = db.execute("SELECT COUNT(*) FROM hits WHERE key = ?", (key,)).fetchone()[0]
            if count + amount > limit:
                return False
            db.executemany("INSERT INTO hits VALUES (?, ?, ?)", [(key, now, now + expiry)] * amount)
            return True

        return await self.file.write(step)

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """(when the oldest came, how many there are)"""
        now = self.clock()
        query, values = "SELECT COALESCE(MIN(at), ?), COUNT(*) FROM hits WHERE key = ? AND until > ?", (now, key, now)
        row: tuple[float, int] = await self.file.read(lambda db: db.execute(query, values).fetchone())
        return row

    async def check(self) -> bool:
        return bool(await self.file.read(lambda db: db.execute("SELECT 1").fetchone()))

    async def reset(self) -> int:
        def step(db: sqlite3.Connection) -> int:
            return db.execute("DELETE FROM sums").rowcount + db.execute("DELETE FROM hits").rowcount

        return await self.file.write(step)

    async def clear(self, key: str) -> None:
        def step(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM sums WHERE key = ?", (key,))
            db.execute("DELETE FROM hits WHERE key = ?", (key,))

        await self.file.write(step)


class SqliteSlots:
    """Slots, in the file of a storage."""

    def __init__(self, storage: SqliteStorage) -> None:
        self._storage = storage

    async def close(self) -> None:
        await self._storage.file.close()

    async def enter(self, key: str, name: str, limit: int, seconds: float) -> bool:
        now = self._storage.clock()

        def step(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM slots WHERE until <= ?", (now,))
            others: int = db.execute("SELECT COUNT(*) FROM slots WHERE key = ? AND name <> ?", (key, name)).fetchone()[
                0
            ]
            if others >= limit:
                return False
            db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?)", (key, name, now + seconds))
            return True

        return await self._storage.file.write(step)

    async def leave(self, key: str, name: str) -> None:
        statement = "DELETE FROM slots WHERE key = ? AND name = ?"
        await self._storage.file.write(lambda db: db.execute(statement, (key, name)))


def sqlite_counters(path: Path, clock: Callable[[], float] = time.time, wait_seconds: float = WAIT_SECONDS) -> Counters:
    storage = SqliteStorage(path, clock, wait_seconds)
    return Counters(storage, SqliteSlots(storage))


def _prepare(db: sqlite3.Connection) -> None:
    for statement in _STATEMENTS:
        db.execute(statement)
