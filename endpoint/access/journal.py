"""Rows of usage that are not in the ledger yet, in a file: a process that is killed leaves them to the next one.

Each process has a file of its own, which it holds locked. A file whose lock is free was left behind. A line is written
in one call and is then the kernel's: it outlives the process, not a power cut.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from endpoint.access.usage import UsageRow

SUFFIX = ".usage"
MOST_BYTES = 1 << 20  # after which a file is written anew, without the rows that the ledger has


class Journal:
    """folder: of all processes that write to the same ledger on this machine. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._file = _locked(self._path)
        self._size = 0

    def write(self, rows: Sequence[UsageRow]) -> None:
        """They are kept whatever becomes of this process."""
        data = _lines(rows)
        os.write(self._file, data)
        self._size += len(data)

    def keep(self, rows: Sequence[UsageRow]) -> None:
        """Only these are not in the ledger yet."""
        if not rows and self._size:
            os.ftruncate(self._file, 0)
            self._size = 0
        elif self._size > MOST_BYTES:
            self._replace(rows)

    def _replace(self, rows: Sequence[UsageRow]) -> None:
        """At no moment is a row in no file: the new one is whole when it takes the place of the old one."""
        aside = self._path.with_suffix(".new")
        file = _locked(aside)
        data = _lines(rows)
        os.write(file, data)
        os.replace(aside, self._path)
        os.close(self._file)
        self._file, self._size = file, len(data)

    def left_behind(self) -> Iterator[tuple[Path, list[UsageRow]]]:
        """Files of processes that are gone, with their rows. Each is locked until the next one is asked for."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path == self._path:
                continue
            try:
                file = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue  # another process has taken it over
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
            else:
                yield path, list(_read(path))
            finally:
                os.close(file)

    def close(self) -> None:
        """The file goes, unless it has rows."""
        if not self._size:
            self._path.unlink(missing_ok=True)
        os.close(self._file)


def _locked(path: Path) -> int:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _lines(rows: Sequence[UsageRow]) -> bytes:
    return b"".join(json.dumps(asdict(row), ensure_ascii=False).encode() + b"\n" for row in rows)


def _read(path: Path) -> Iterator[UsageRow]:
    """The last line may be cut off where the disk was full: then its request was not finished either."""
    for line in path.read_bytes().splitlines():
        try:
            yield UsageRow(**json.loads(line))
        except (ValueError, TypeError):
            continue
