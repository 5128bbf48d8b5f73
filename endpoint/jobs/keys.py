"""What the spools share: keys, the reader of an upload, threads for blocking calls."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from endpoint.errors import MissingAudio
from endpoint.jobs.job import new_id
from endpoint.memfile import MemoryFile

PIECE = 1 << 20  # bytes that are copied at once

T = TypeVar("T")


def new_key() -> str:
    """Keys are made here, and sort by time."""
    return new_id("audio")


def is_key(text: str) -> bool:
    """Whether `new_key` can have made it. Nothing else gets into a path."""
    return re.fullmatch(r"audio_[0-9a-f]{28}", text) is not None


def checked(key: str) -> str:
    """Raises MissingAudio."""
    if not is_key(key):
        raise MissingAudio(f"the spool has no such key: {key[:60]!r}")
    return key


def reader(data: MemoryFile) -> BinaryIO:
    """A file of its own on the same bytes, from their begin; it stays readable when `data` is closed."""
    return open(f"/proc/self/fd/{data.fileno()}", "rb")


async def in_thread(call: Callable[[], T]) -> T:
    """Run it to its end, even if nobody waits for it any more: it closes what it was given."""
    return await asyncio.shield(asyncio.to_thread(call))
