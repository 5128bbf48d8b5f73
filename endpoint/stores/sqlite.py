"""An SQLite file that the processes of one machine share. No service is needed.

Steps run in one thread, each in a transaction, and are waited for within a limit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from endpoint.errors import StoreUnavailable

WAIT_SECONDS = 1.5  # for the steps before it and for locks of other processes
SLACK_SECONDS = 0.3  # after which a step that is under way is no longer waited for: the disk hangs
PAUSE_SECONDS = 0.02  # between attempts to turn the write-ahead log on

# auto_vacuum comes before everything that writes to a new file. synchronous=FULL: commits outlive a power cut.
PRAGMAS = (
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 4194304",
)

T = TypeVar("T")
MakeTables = Callable[[sqlite3.Connection], None]  # makes those that are missing; it begins and ends its transaction


class SqliteFile:
    """wait_seconds: for others that write."""

    def __init__(self, path: Path, make_tables: MakeTables, wait_seconds: float = WAIT_SECONDS) -> None:
        self._path = path
        self._make_tables = make_tables
        self._wait_seconds = wait_seconds
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None  # used in that thread only

    def open(self) -> None:
        """The first step connects. Again does nothing."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
            thread.shutdown(wait=False)

    async def read(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """What `step` gives. Raises StoreUnavailable, and what it raises."""
        return await self._run("BEGIN", step)

    async def write(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """The same for a step that writes. Where it raises, nothing is written."""
        return await self._run("BEGIN IMMEDIATE", step)

    async def _run(self, begin: str, step: Callable[[sqlite3.Connection], T]) -> T:
        if self._thread is None:
            raise StoreUnavailable("The store is not open.")
        transaction = partial(self._transaction, begin, step, time.monotonic() + self._wait_seconds)
        try:
            async with asyncio.timeout(self._wait_seconds + SLACK_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)
        except TimeoutError as error:
            raise StoreUnavailable(f"The store, {self._path}, took too long.") from error

    def _transaction(self, begin: str, step: Callable[[sqlite3.Connection], T], deadline: float) -> T:
        """In the thread. Raises StoreUnavailable, or what the step raises; nothing is written then."""
        if time.monotonic() > deadline:
            raise StoreUnavailable("The store has too much to do.")
        try:
            if self._connection is None:
                self._connection = connect(self._path, deadline, self._make_tables)
            wait(self._connection, deadline)
            return _commit(self._connection, begin, step)
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # an error of this program
        except (sqlite3.DatabaseError, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
                self._disconnect()  # the next step tries a new one
            raise StoreUnavailable(f"The store, {self._path}, cannot be used: {error}.") from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _commit(connection: sqlite3.Connection, begin: str, step: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute(begin)
    try:
        done = step(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return done


def connect(path: Path, deadline: float, make_tables: MakeTables) -> sqlite3.Connection:
    """A connection whose transactions are begun and ended by hand. deadline: of time.monotonic.

    Raises sqlite3.DatabaseError, and OSError where the folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        wait(connection, deadline)
        _configure(connection, deadline)
        make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def wait(connection: sqlite3.Connection, deadline: float) -> None:
    """Locks are waited for until then."""
    milliseconds = max(0, round((deadline - time.monotonic()) * 1000))
    connection.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _configure(connection: sqlite3.Connection, deadline: float) -> None:
    """SQLite itself does not wait for others that turn the log on at the same time."""
    while True:
        try:
            for pragma in PRAGMAS:
                connection.execute(pragma)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)
