"""Where the audio of jobs waits until it is worked on: a folder, or a bucket of S3.

What no job names (a submission broke off between the two) is found by its age in `keys`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from endpoint.errors import ConfigError, MissingAudio, StoreUnavailable
from endpoint.jobs.keys import PIECE, checked, in_thread, is_key, new_key, reader
from endpoint.memfile import MemoryFile

PART = ".part"  # the ending of files that are being written
PART_SECONDS = 86_400.0  # after which such a file is left over from a process that died


class Spool(Protocol):
    """Raises StoreUnavailable, from every method, when it has no room or cannot be reached."""

    async def put(self, data: MemoryFile) -> str:
        """Keep a copy, durable when it returns. Its key."""
        ...

    async def open(self, key: str) -> MemoryFile:
        """Raises MissingAudio."""
        ...

    async def delete(self, key: str) -> None:
        """What is missing is no error. Raises MissingAudio for what cannot be a key."""

    async def keys(self) -> Sequence[tuple[str, float]]:
        """(key, age in seconds) of everything in it."""
        ...


class FolderSpool:
    """A file for each key. The folder is made when it is missing; several servers may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, data: MemoryFile) -> str:
        with _storage():
            source = reader(data)
            return await in_thread(lambda: self._write(source))

    async def open(self, key: str) -> MemoryFile:
        path = self._folder / checked(key)
        with _storage():
            return await in_thread(lambda: _read(path))

    async def delete(self, key: str) -> None:
        path = self._folder / checked(key)
        with _storage():
            await in_thread(lambda: path.unlink(missing_ok=True))

    async def keys(self) -> Sequence[tuple[str, float]]:
        with _storage():
            return await in_thread(self._list)

    def _write(self, source: BinaryIO) -> str:
        """Written beside, then renamed: under its key it is there as a whole, or not at all."""
        with source:
            if not self._folder.is_dir():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync(self._folder.parent)
            key = new_key()
            part = self._folder / f"{key}{PART}"
            try:
                with open(part, "xb", opener=_private) as target:
                    shutil.copyfileobj(source, target, PIECE)
                    target.flush()
                    os.fsync(target.fileno())
                part.rename(self._folder / key)
            except BaseException:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
            _sync(self._folder)
            return key

    def _list(self) -> list[tuple[str, float]]:
        found, now = [], time.time()
        try:
            with os.scandir(self._folder) as listing:
                entries = list(listing)
        except FileNotFoundError:
            return []
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                age = max(0.0, now - entry.stat().st_mtime)
                if is_key(entry.name):
                    found.append((entry.name, age))
                elif is_key(entry.name.removesuffix(PART)) and age > PART_SECONDS:
                    os.unlink(entry.path)
        return found


def spool_of(url: str) -> Spool:
    """From a setting: a folder, or `s3://bucket/prefix`. Raises ConfigError."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "s3":
        from endpoint.jobs.s3 import S3Spool

        bucket, _, prefix = rest.partition("/")
        return S3Spool(bucket, prefix=prefix)
    if separator or not url.strip():
        raise ConfigError(f"the audio of jobs is kept in a folder or in s3://bucket/prefix; `{url}` is neither")
    return FolderSpool(Path(url).absolute())


@contextmanager
def _storage() -> Iterator[None]:
    """What the operating system refuses, as an error of this server."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"the audio of jobs cannot be stored: {error.strerror or type(error).__name__}"
        ) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _read(path: Path) -> MemoryFile:
    try:
        with open(path, "rb", buffering=0) as source:
            data = MemoryFile()
            while piece := source.read(PIECE):
                data.write(piece)
            return data
    except FileNotFoundError as error:
        raise MissingAudio(f"the spool has no audio under {path.name}") from error


def _sync(folder: Path) -> None:
    """Make the names in it durable."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
