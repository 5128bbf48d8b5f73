"""Bytes in a file in memory (memfd): written as they arrive, passed to another process without a copy.

The kernel frees it when no process has it open, however those processes ended. Its pages count as memory only of
processes that map them.
"""

from __future__ import annotations

import os


class MemoryFile:
    """Grows at its end. Closed by `close`, or when the object is freed."""

    def __init__(self, data: bytes | bytearray | memoryview = b"", name: str = "upload") -> None:
        """name: shown in /proc. Raises OSError where the process may open no more files."""
        self._file: int | None = None
        self._size = 0
        self._file = os.memfd_create(name, os.MFD_CLOEXEC)
        self.write(data)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        self._size += len(rest)
        while rest:
            rest = rest[os.write(self.fileno(), rest) :]

    def read(self) -> bytes:
        """All of it, a copy."""
        return os.pread(self.fileno(), self._size, 0)

    def part(self, begin: int, size: int) -> bytes:
        """At most `size` bytes from `begin` on, a copy."""
        return os.pread(self.fileno(), size, begin)

    def fileno(self) -> int:
        """Raises ValueError when closed."""
        if self._file is None:
            raise ValueError("the file is closed")
        return self._file

    def __len__(self) -> int:
        return self._size

    @property
    def closed(self) -> bool:
        return self._file is None

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.close()
