"""Where the links of a chained Ogg file begin: several Ogg files one behind the other, as radio recorders leave them.

FFmpeg reads the first link, and others only where their codec, rate and channels are the same; so each is opened by
itself. Format: RFC 3533.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Any

_MARK, _HEADER = b"OggS", 27  # bytes of a page's header before its table of segments
_LOOK = 1 << 20  # bytes looked through at once for the page behind damage
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FIRST = 2  # in a page's flags: the first of its stream


@dataclass(frozen=True)
class Link:
    """Bytes `begin` to `end`. damaged: pages are missing or do not match their checksums."""

    begin: int
    end: int
    damaged: bool = False


def links(data: memoryview) -> list[Link]:
    """The links of a file, one if it is not chained; none for what is no Ogg."""
    if bytes(data[:4]) != _MARK:
        return []
    begins, at, opening = [0], 0, True
    damaged, numbers = set[int](), dict[bytes, int]()  # links, by their number; the next page's number, by its stream
    while at + _HEADER <= len(data):
        if bytes(data[at : at + 4]) != _MARK:  # the next page is looked for
            damaged.add(len(begins) - 1)
            found = bytes(data[at : at + _LOOK]).find(_MARK, 1)
            at += found if found > 0 else _LOOK - len(_MARK)
            continue
        first = bool(data[at + 5] & _FIRST)
        if first and not opening:
            begins.append(at)
        opening = first
        stream, number = bytes(data[at + 14 : at + 18]), int.from_bytes(data[at + 18 : at + 22], "little")
        if not first and numbers.get(stream, number) != number:
            damaged.add(len(begins) - 1)
        numbers[stream] = number + 1
        segments = data[at + 26]
        end = at + _HEADER + segments + sum(data[at + _HEADER : at + _HEADER + segments])
        if not _matches(bytes(data[at:end])):  # FFmpeg leaves such a page out
            damaged.add(len(begins) - 1)
        at = end
    ends = [*begins[1:], len(data)]
    return [Link(begin, end, k in damaged) for k, (begin, end) in enumerate(zip(begins, ends, strict=True))]


def _matches(page: bytes) -> bool:
    """Whether the page's checksum is that of its bytes: zlib's with the bits the other way round, and from 0 on."""
    turned = (page[:22] + bytes(4) + page[26:]).translate(_TURNED)
    return (zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big") == page[22:26].translate(_TURNED)


class Section(io.RawIOBase):
    """Stretches of a file, one behind the other, as a file of its own."""

    def __init__(self, data: memoryview, *stretches: tuple[int, int]) -> None:
        super().__init__()
        self._parts = [data[begin:end] for begin, end in stretches]
        self._size, self._at = sum(map(len, self._parts)), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        target, at = memoryview(buffer).cast("B"), self._at
        for part in self._parts:
            if at < len(part):
                size = min(len(target), len(part) - at)
                target[:size] = part[at : at + size]
                self._at += size
                return size
            at -= len(part)
        return 0

    def close(self) -> None:
        for part in self._parts:
            part.release()
        super().close()
