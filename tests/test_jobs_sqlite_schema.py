"""How a file comes to be: endpoint.jobs.sqlite_schema."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from endpoint.access.usage_sqlite import TABLES as LEDGER
from endpoint.jobs.sqlite_schema import TABLES, VERSION, make_tables
from endpoint.stores.sqlite import connect


def made(path: Path) -> sqlite3.Connection:
    return connect(path, time.monotonic() + 60, make_tables)


def test_a_file_is_made_with_its_folder_and_only_once(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "jobs.db"
    for value in (0, 7):
        with contextlib.closing(made(path)) as connection:
            assert connection.execute("SELECT value FROM counter").fetchall() == [(value,)]
            connection.execute("UPDATE counter SET value = 7")
            found = [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "auto_vacuum", "foreign_keys", "user_version")
            ]
            assert found == ["wal", 2, 2, 1, VERSION]


def test_many_make_it_at_the_same_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        connections = list(threads.map(made, [tmp_path / "jobs.db"] * 16))
    tables = len([statement for statement in (*TABLES, *LEDGER) if "CREATE TABLE" in statement])
    for connection in connections:
        found = connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone()
        assert found == (tables,)
        connection.close()


def test_a_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with contextlib.closing(made(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(sqlite3.DatabaseError, match="version 99"):
        made(path)


def test_a_lock_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connect(path, time.monotonic() + 0.05, make_tables)
    made(path).close()
