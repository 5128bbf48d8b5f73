"""The tables of the SQLite store, and how a connection to them is made."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

VERSION = 1  # of the tables; kept in the file
PAUSE_SECONDS = 0.02  # between attempts to turn the write-ahead log on

# auto_vacuum comes before everything that writes to a new file. synchronous=FULL: commits outlive a power cut.
PRAGMAS = (
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 4194304",
)

# jobs: document is the job itself; the other columns repeat of it what is searched by. cost_ms: what its caller was
# charged for the last claim. callers: see endpoint.jobs.turns. outbox.given_up: it is listed as failed. orphans:
# sources to be deleted. usage and outbox outlive their jobs, so they do not refer to them.
TABLES = (
    """CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        caller TEXT NOT NULL,
        priority INTEGER NOT NULL,
        status TEXT NOT NULL,
        audio_ms INTEGER NOT NULL,
        cost_ms INTEGER NOT NULL DEFAULT 0,
        expires_at REAL,
        owner TEXT,
        token INTEGER,
        lease_until REAL,
        document BLOB NOT NULL
    )""",
    "CREATE INDEX jobs_queue ON jobs (status, caller, priority, id)",
    "CREATE INDEX jobs_caller ON jobs (caller, id)",
    "CREATE INDEX jobs_lease ON jobs (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX jobs_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE TABLE callers (caller TEXT PRIMARY KEY, work_ms INTEGER NOT NULL, turn INTEGER NOT NULL)",
    "CREATE INDEX callers_order ON callers (work_ms, turn, caller)",
    "CREATE TABLE counter (value INTEGER NOT NULL)",
    "INSERT INTO counter VALUES (0)",
    """CREATE TABLE keys (
        caller TEXT NOT NULL,
        key TEXT NOT NULL,
        job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        expires_at REAL NOT NULL,
        PRIMARY KEY (caller, key)
    )""",
    "CREATE INDEX keys_job ON keys (job)",
    "CREATE INDEX keys_expiry ON keys (expires_at)",
    """CREATE TABLE windows (
        job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        file INTEGER NOT NULL,
        window INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (job, file, window)
    )""",
    """CREATE TABLE results (
        job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        file INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (job, file)
    )""",
    """CREATE TABLE events (
        job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        number INTEGER NOT NULL,
        type TEXT NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (job, number)
    )""",
    """CREATE TABLE outbox (
        id TEXT PRIMARY KEY,
        job TEXT NOT NULL,
        url TEXT NOT NULL,
        body BLOB NOT NULL,
        created_at REAL NOT NULL,
        attempts INTEGER NOT NULL,
        due REAL NOT NULL,
        failed TEXT,
        given_up INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        lease_until REAL
    )""",
    "CREATE INDEX outbox_due ON outbox (given_up, due)",
    "CREATE INDEX outbox_job ON outbox (job)",
    "CREATE TABLE usage (job TEXT PRIMARY KEY, caller TEXT NOT NULL, audio_ms INTEGER NOT NULL)",
    "CREATE INDEX usage_caller ON usage (caller, job)",
    "CREATE TABLE orphans (source TEXT PRIMARY KEY)",
)


def connect(path: Path, deadline: float) -> sqlite3.Connection:
    """A connection whose transactions are begun and ended by hand. deadline: of time.monotonic.

    Raises sqlite3.DatabaseError, and OSError where the folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        wait(connection, deadline)
        _configure(connection, deadline)
        _make_tables(connection)
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


def _make_tables(connection: sqlite3.Connection) -> None:
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _version(connection)  # another process may have made them meanwhile
        if found not in (0, VERSION):
            raise sqlite3.DatabaseError(f"its tables are of version {found}, not {VERSION}")
        if found == 0:
            for statement in TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
