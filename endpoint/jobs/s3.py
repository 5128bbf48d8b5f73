"""Audio of jobs in a bucket of S3, or of a service that speaks its protocol.

The calls of boto3 block, so they run in threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import BinaryIO, TypeVar

from endpoint.errors import ConfigError, MissingAudio, StoreUnavailable
from endpoint.jobs.keys import PIECE, checked, in_thread, is_key, new_key, reader
from endpoint.memfile import MemoryFile
from endpoint.stores.s3 import connect_s3, s3_code

T = TypeVar("T")


class S3Spool:
    """An object for each key, under `prefix`. endpoint_url: None for Amazon's, or AWS_ENDPOINT_URL."""

    def __init__(self, bucket: str, endpoint_url: str | None = None, prefix: str = "") -> None:
        """Raises ConfigError. Nothing is connected to yet."""
        if not bucket:
            raise ConfigError("the audio of jobs is to be in S3, and no bucket is named; give s3://bucket/prefix")
        self._bucket, self._prefix = bucket, f"{prefix.strip('/')}/".removeprefix("/")
        self._client, self._errors = connect_s3(endpoint_url)

    async def put(self, data: MemoryFile) -> str:
        """S3 confirms an object once it is durable."""
        try:
            source = reader(data)
        except OSError as error:
            raise StoreUnavailable(f"the audio cannot be read: {error.strerror}") from error
        return await self._call(lambda: self._write(source))

    async def open(self, key: str) -> MemoryFile:
        checked(key)
        return await self._call(lambda: self._read(key))

    async def delete(self, key: str) -> None:
        checked(key)
        await self._call(lambda: self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key))

    async def keys(self) -> Sequence[tuple[str, float]]:
        return await self._call(self._list)

    async def _call(self, call: Callable[[], T]) -> T:
        """What boto3 raises, as an error of this server."""
        try:
            return await in_thread(call)
        except self._errors as error:
            code = s3_code(error)
            if code in ("NoSuchKey", "404"):
                raise MissingAudio("the bucket has no audio under this key") from error
            raise StoreUnavailable(
                f"the audio of jobs cannot be stored in S3: {code or type(error).__name__}"
            ) from error
        except OSError as error:  # no memory file could be made
            raise StoreUnavailable(f"the audio of jobs cannot be read: {error.strerror}") from error

    def _write(self, source: BinaryIO) -> str:
        with source:
            key = new_key()
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=source)
            return key

    def _read(self, key: str) -> MemoryFile:
        body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
        with body:
            data = MemoryFile()
            for piece in body.iter_chunks(PIECE):
                data.write(piece)
            return data

    def _list(self) -> list[tuple[str, float]]:
        now, found = time.time(), []
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix):
            for item in page.get("Contents", ()):
                key = item["Key"].removeprefix(self._prefix)
                if is_key(key):
                    found.append((key, max(0.0, now - item["LastModified"].timestamp())))
        return found
