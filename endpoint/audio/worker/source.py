"""An upload as a decoding process reads it: a memory file, whose pages are given back behind the reader."""

from __future__ import annotations

import mmap
from io import FileIO

KEPT = 1 << 20  # bytes behind the reader that stay: parsers step back a little, to where a frame begins
STEP = 4 << 20  # bytes given back at once


class Source(FileIO):
    """A file of one byte or more. forgetful: whether reading gives back what was read; for readers that never go back.

    Some of FFmpeg's parsers read from front to end once the container is open; others seek back and forth.
    """

    forgetful = False

    def __init__(self, file: int) -> None:
        """file: open for reading and writing; closed with this."""
        super().__init__(file, "r")
        self.pages = mmap.mmap(file, 0)
        self._forgotten = 0
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        """Raises MemoryError for what was given back."""
        if self.tell() < self._forgotten:
            raise MemoryError("this part of the upload was given back")
        found = super().read(size)
        if self.forgetful:
            self.forget(self.tell() - KEPT)
        return found

    def forget(self, end: int) -> None:
        """Give back what is before byte `end`, once it is enough to be worth it."""
        if end - self._forgotten < STEP:
            return
        end -= end % mmap.PAGESIZE
        self.pages.madvise(mmap.MADV_REMOVE, self._forgotten, end - self._forgotten)
        self._forgotten = end
