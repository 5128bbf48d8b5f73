"""Keys in an SQLite file, which may be that of jobs: the tables have names of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from endpoint.access.keys import MOST_SECRETS, SWEPT, Found, Key, Secret
from endpoint.codec import decode, encode
from endpoint.stores.sqlite import WAIT_SECONDS, SqliteFile

VERSION = 1  # of the tables; kept in access_about
PEPPER = "pepper"

# The documents are what a key or secret was made with; the other columns are what changes, and what is searched by.
TABLES = (
    "CREATE TABLE IF NOT EXISTS access_about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS access_keys (
        id TEXT PRIMARY KEY,
        document BLOB NOT NULL,
        prefix TEXT NOT NULL,
        revoked_at REAL,
        used_at REAL
    )""",
    """CREATE TABLE IF NOT EXISTS access_secrets (
        prefix TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        expires_at REAL,
        document BLOB NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS access_secrets_key ON access_secrets (key)",
    "CREATE INDEX IF NOT EXISTS access_secrets_expiry ON access_secrets (expires_at) WHERE expires_at IS NOT NULL",
)
_KEY = "SELECT document, prefix, revoked_at, used_at FROM access_keys"


class SqliteKeys:
    """A KeyStore. wait_seconds: for others that write."""

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self._file = SqliteFile(path, make_tables, wait_seconds)

    async def open(self) -> None:
        self._file.open()
        await self._file.read(lambda db: None)

    async def close(self) -> None:
        await self._file.close()

    async def pin(self, fingerprint: str) -> str:
        return await self._file.write(partial(_pin, fingerprint))

    async def add(self, key: Key, secret: Secret) -> None:
        await self._file.write(partial(_add, key, secret))

    async def get(self, key_id: str) -> Key | None:
        return await self._file.read(partial(_get, key_id))

    async def list(self, after: str | None = None, limit: int = 20) -> Sequence[Key]:
        return await self._file.read(partial(_list, after, limit))

    async def find(self, prefix: str) -> Found | None:
        return await self._file.read(partial(_find, prefix))

    async def rotate(self, secret: Secret, until: float) -> Key | None:
        return await self._file.write(partial(_rotate, secret, until))

    async def revoke(self, key_id: str, now: float) -> Key | None:
        return await self._file.write(partial(_revoke, key_id, now))

    async def used(self, key_id: str, now: float) -> None:
        statement = "UPDATE access_keys SET used_at = ? WHERE id = ?"
        await self._file.write(lambda db: db.execute(statement, (now, key_id)))

    async def add_client_secret(self, secret: Secret, now: float, most: int = MOST_SECRETS) -> bool:
        return await self._file.write(partial(_add_client_secret, secret, now, most))


def make_tables(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where they are of another version."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO access_about VALUES ('version', ?)", (str(VERSION),))
        (version,) = connection.execute("SELECT value FROM access_about WHERE name = 'version'").fetchone()
        if version != str(VERSION):
            raise sqlite3.DatabaseError(f"its tables of keys are of version {version}, not {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _pin(fingerprint: str, db: sqlite3.Connection) -> str:
    db.execute("INSERT OR IGNORE INTO access_about VALUES (?, ?)", (PEPPER, fingerprint))
    kept: str = db.execute("SELECT value FROM access_about WHERE name = ?", (PEPPER,)).fetchone()[0]
    return kept


def _add(key: Key, secret: Secret, db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO access_keys VALUES (?, ?, ?, ?, ?)",
        (key.id, encode(Key, key), key.prefix, key.revoked_at, key.used_at),
    )
    _keep_secret(secret, db)


def _keep_secret(secret: Secret, db: sqlite3.Connection) -> None:
    row = (secret.prefix, secret.key, secret.expires_at, encode(Secret, secret))
    db.execute("INSERT INTO access_secrets VALUES (?, ?, ?, ?)", row)


def _get(key_id: str, db: sqlite3.Connection) -> Key | None:
    row = db.execute(f"{_KEY} WHERE id = ?", (key_id,)).fetchone()
    return row and _key(row)


def _key(row: tuple[Any, ...]) -> Key:
    document, prefix, revoked_at, used_at = row
    return replace(decode(Key, document), prefix=prefix, revoked_at=revoked_at, used_at=used_at)


def _list(after: str | None, limit: int, db: sqlite3.Connection) -> Sequence[Key]:
    rows = db.execute(
        f"{_KEY} WHERE (:after IS NULL OR id < :after) ORDER BY id DESC LIMIT :limit",
        {"after": after, "limit": max(0, limit)},
    )
    return [_key(row) for row in rows.fetchall()]


def _find(prefix: str, db: sqlite3.Connection) -> Found | None:
    row = db.execute("SELECT document, expires_at FROM access_secrets WHERE prefix = ?", (prefix,)).fetchone()
    if row is None:
        return None
    secret = replace(decode(Secret, row[0]), expires_at=row[1])
    return Found(secret, _get(secret.key, db))


def _rotate(secret: Secret, until: float, db: sqlite3.Connection) -> Key | None:
    changed = db.execute("UPDATE access_keys SET prefix = ? WHERE id = ?", (secret.prefix, secret.key))
    if not changed.rowcount:
        return None
    db.execute(
        "UPDATE access_secrets SET expires_at = ? WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
        (until, secret.key, until),
    )
    _keep_secret(secret, db)
    return _get(secret.key, db)


def _revoke(key_id: str, now: float, db: sqlite3.Connection) -> Key | None:
    db.execute("UPDATE access_keys SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?", (now, key_id))
    return _get(key_id, db)


def _add_client_secret(secret: Secret, now: float, most: int, db: sqlite3.Connection) -> bool:
    db.execute(
        "DELETE FROM access_secrets WHERE prefix IN (SELECT prefix FROM access_secrets WHERE expires_at <= ? LIMIT ?)",
        (now, SWEPT),
    )
    (count,) = db.execute("SELECT COUNT(*) FROM access_secrets WHERE key = ?", (secret.key,)).fetchone()
    if count >= most:
        return False
    _keep_secret(secret, db)
    return True
