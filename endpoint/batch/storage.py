"""Files in folders of this machine and objects in buckets, by their path. A file is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endpoint.errors import MissingAudio, StoreUnavailable
from endpoint.stores.s3 import connect_s3, s3_code

S3 = "s3://"
TEMPORARY = ".writing-"  # how the name of a file begins that is being written


@dataclass(frozen=True)
class Found:
    """A file. size: bytes. modified_ms: since 1970."""

    path: str
    size: int
    modified_ms: int


class Storage:
    """Paths are those of this machine, or s3://bucket/key. Its client connects when it is needed, in each process.

    Raises StoreUnavailable for what may work later, MissingAudio for a file that is not there.
    """

    def __init__(self) -> None:
        self._connected: tuple[Any, tuple[type[Exception], ...]] | None = None

    def __reduce__(self) -> tuple[type[Storage], tuple[()]]:
        return Storage, ()

    def read(self, path: str) -> bytes:
        try:
            if not path.startswith(S3):
                return Path(path).read_bytes()
            bucket, key = split_s3(path)
            with self._client.get_object(Bucket=bucket, Key=key)["Body"] as body:
                data: bytes = body.read()
                return data
        except self._errors as error:
            raise _failed("read", path, error) from error

    def write(self, path: str, data: bytes) -> None:
        """On a disk when it returns. A file of this name is replaced."""
        try:
            if path.startswith(S3):
                bucket, key = split_s3(path)
                self._client.put_object(Bucket=bucket, Key=key, Body=data)
            else:
                _write(Path(path), data)
        except self._errors as error:
            raise _failed("written", path, error) from error

    def delete(self, path: str) -> None:
        """One that is not there is no error."""
        try:
            if path.startswith(S3):
                bucket, key = split_s3(path)
                self._client.delete_object(Bucket=bucket, Key=key)
            else:
                Path(path).unlink(missing_ok=True)
        except self._errors as error:
            raise _failed("deleted", path, error) from error

    def find(self, path: str) -> Found:
        """What is known of one file."""
        try:
            if path.startswith(S3):
                bucket, key = split_s3(path)
                head = self._client.head_object(Bucket=bucket, Key=key)
                return Found(path, head["ContentLength"], _milliseconds(head["LastModified"].timestamp()))
            stat = Path(path).stat()
            return Found(path, stat.st_size, _milliseconds(stat.st_mtime))
        except self._errors as error:
            raise _failed("found", path, error) from error

    def walk(self, folder: str) -> Iterator[Found]:
        """All files below a folder. One that is not there is empty."""
        try:
            if folder.startswith(S3):
                yield from self._objects(folder)
                return
            for base, folders, names in os.walk(folder):
                folders.sort()
                for name in sorted(names):
                    yield self.find(os.path.join(base, name))
        except self._errors as error:
            raise _failed("listed", folder, error) from error

    def _objects(self, folder: str) -> Iterator[Found]:
        bucket, prefix = split_s3(folder)
        prefix = f"{prefix.rstrip('/')}/".removeprefix("/")
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):
                    modified = _milliseconds(item["LastModified"].timestamp())
                    yield Found(f"{S3}{bucket}/{item['Key']}", item["Size"], modified)

    @property
    def _client(self) -> Any:
        self._connected = self._connected or connect_s3()
        return self._connected[0]

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        """What the system raises, and what boto3 does once it was used."""
        return (OSError, *(self._connected[1] if self._connected else ()))


def joined(folder: str, *names: str) -> str:
    """A path in a folder."""
    return "/".join([folder.rstrip("/"), *names]) if folder.startswith(S3) else os.path.join(folder, *names)


def split_s3(path: str) -> tuple[str, str]:
    """(bucket, key)."""
    bucket, _, key = path.removeprefix(S3).partition("/")
    return bucket, key


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _failed(done: str, path: str, error: Exception) -> StoreUnavailable | MissingAudio:
    if isinstance(error, FileNotFoundError) or s3_code(error) in ("NoSuchKey", "NoSuchBucket", "404"):
        return MissingAudio(f"there is no {path}")
    why = (error.strerror if isinstance(error, OSError) else s3_code(error)) or type(error).__name__
    return StoreUnavailable(f"{path} cannot be {done}: {why}")
