"""The tables of the SQLite store."""

from __future__ import annotations

import sqlite3

from endpoint.access.usage_sqlite import make_tables as make_ledger

VERSION = 2  # of the tables; kept in the file

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
        lease_until REAL,
        traceparent TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX outbox_due ON outbox (given_up, due)",
    "CREATE INDEX outbox_job ON outbox (job)",
    "CREATE TABLE usage (job TEXT PRIMARY KEY, caller TEXT NOT NULL, audio_ms INTEGER NOT NULL)",
    "CREATE INDEX usage_caller ON usage (caller, job)",
    "CREATE TABLE orphans (source TEXT PRIMARY KEY)",
)

# What makes a file of the version before, by its number, one of the next.
NEWER = {1: "ALTER TABLE outbox ADD COLUMN traceparent TEXT NOT NULL DEFAULT ''"}


def make_tables(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where they are of another version."""
    make_ledger(connection)
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _version(connection)  # another process may have made them meanwhile
        if found > VERSION:
            raise sqlite3.DatabaseError(f"its tables are of version {found}, not {VERSION}")
        statements = TABLES if found == 0 else [NEWER[before] for before in range(found, VERSION)]
        for statement in statements:
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
