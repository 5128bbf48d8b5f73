"""Bytes in a file that is in memory only (memfd): written as they come, handed to another process without a copy.

Freed by the kernel when nobody has it open, whoever dies first. Its pages count for whoever maps them, and for nobody
else.
"""

from __future__ import annotations

import os


class MemoryFile:
    """Grows at its end. Closed by `close`, or when nobody refers to it any more."""

    def __init__(self, data: bytes | bytearray | memoryview = b"", name: str = "upload") -> None:
        """name: for whoever looks into /proc. Raises OSError where the process may have no more files."""
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
        """Give the memory back; again does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.close()
