"""Where the links of a chained Ogg file begin: several Ogg files one behind the other, as radio recorders leave them.

FFmpeg reads the first link, and others only where their codec, rate and channels are the same; so each is opened by
itself. Format: RFC 3533.
"""

from __future__ import annotations

import io
from typing import Any

_MARK, _HEADER = b"OggS", 27  # bytes of a page's header before its table of segments
_LOOK = 1 << 20  # bytes looked through at once for the page behind damage
_FIRST = 2  # in a page's flags: the first of its stream


def links(data: memoryview) -> list[tuple[int, int]]:
    """(begin, end) of each link in bytes; one for a file that is not chained, none for what is no Ogg."""
    if bytes(data[:4]) != _MARK:
        return []
    begins, at, opening = [0], 0, True
    while at + _HEADER <= len(data):
        if bytes(data[at : at + 4]) != _MARK:  # damage: the next page is looked for
            found = bytes(data[at : at + _LOOK]).find(_MARK, 1)
            at += found if found > 0 else _LOOK - len(_MARK)
            continue
        first = bool(data[at + 5] & _FIRST)
        if first and not opening:
            begins.append(at)
        opening = first
        segments = data[at + 26]
        at += _HEADER + segments + sum(data[at + _HEADER : at + _HEADER + segments])
    return list(zip(begins, [*begins[1:], len(data)], strict=True))


class Section(io.RawIOBase):
    """Bytes `begin` to `end` of a file as a file of its own."""

    def __init__(self, data: memoryview, begin: int, end: int) -> None:
        super().__init__()
        self._data, self._at = data[begin:end], 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        size = max(0, min(len(target), len(self._data) - self._at))
        target[:size] = self._data[self._at : self._at + size]
        self._at += size
        return size

    def close(self) -> None:
        self._data.release()
        super().close()
