"""What is missing from a file: bytes that its header declares, bytes that a parser skipped, and where to go on behind
damage. Pure; works on the bytes of the upload.
"""

from __future__ import annotations

import mmap
import re

UNKNOWN_FROM = 0x7FFF0000  # a declared size that its writer cannot have known
_HEAD = 4_096  # bytes in which a header's fields are
_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")  # GUID of its first chunk
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # its file properties

# The most bytes of a frame, of formats without timestamps: a longer packet holds bytes that are no sound.
MOST_BYTES = {
    "aac": 8_191, "ac3": 3_840, "dts": 16_384, "dtshd": 65_535, "eac3": 4_096, "loas": 8_191,
    "mp3": 1_792,
}  # fmt: skip
_FRAGMENT = b"moof\0\0\0\x10mfhd"  # behind the size with which a part of an MP4 file begins
_BOX = re.compile(rb"[ -~\xa9]{4}")
_TAG = re.compile(rb"ID3[\x02-\x04].{2}([\0-\x7f]{4})|APETAGEX.{4}(.{4})", re.DOTALL)
_MARK = 16  # bytes by which a packet is found again


def declared_bytes(pages: mmap.mmap) -> int | None:
    """How long the file is by its own header, where that says so: wav and avi, Wave64, CAF, Windows Media."""
    head = pages[:_HEAD]
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI "):
        size = int.from_bytes(head[4:8], "little")
        return size + 8 if 0 < size < UNKNOWN_FROM else None
    if head[:16] == _W64:
        return _known(int.from_bytes(head[16:24], "little"))
    if head[:4] == b"caff":
        return _caf(head)
    if head[:16] == _ASF and (at := head.find(_ASF_FILE)) >= 0 and not head[at + 88] & 1:  # 1: written as it came
        return _known(int.from_bytes(head[at + 40 : at + 48], "little"))
    return None


def _known(size: int) -> int | None:
    return size if 0 < size < 1 << 60 else None


def _caf(head: bytes) -> int | None:
    at = 8
    while at + 12 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 12], "big", signed=True)
        if head[at : at + 4] == b"data":
            return at + 12 + size if size > 0 else None
        if size < 0:
            return None
        at += 12 + size
    return None


def counts_frames(pages: mmap.mmap) -> bool:
    """Whether an MP3 file says how many frames it has: its first one holds a Xing, Info or VBRI header."""
    tag = _TAG.match(pages[:10])
    at = _tag_bytes(tag) if tag else 0
    head = pages[at : at + _HEAD]
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def state_sizes(pages: mmap.mmap) -> None:
    """Write sizes where a recorder left them open that FFmpeg needs: Wave64 and AIFF, written to a pipe."""
    head = pages[:_HEAD]
    if head[:16] == _W64:
        at = head.find(_W64_DATA) + 16
        if at > 16 and int.from_bytes(head[at : at + 8], "little") >= 1 << 60:
            pages[at : at + 8] = (len(pages) - at + 16).to_bytes(8, "little")
            pages[16:24] = len(pages).to_bytes(8, "little")
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        at = head.find(b"SSND") + 4
        if at > 4 and head[at : at + 4] in (bytes(4), b"\xff" * 4):
            pages[at : at + 4] = min(len(pages) - at - 4, 0xFFFFFFFE).to_bytes(4, "big")
            pages[4:8] = min(len(pages) - 8, 0xFFFFFFFE).to_bytes(4, "big")


def bridge_damage(pages: mmap.mmap) -> bool:
    """In a fragmented MP4 file, make free space of what is damaged, up to the next fragment; whether anything was.

    FFmpeg reads one box after the other, and ends where there is none.
    """
    if pages[4:8] not in (b"ftyp", b"styp"):
        return False
    at, fragments, damaged = 0, False, False
    while at + 16 <= len(pages):
        size, kind = int.from_bytes(pages[at : at + 4], "big"), pages[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(pages[at + 8 : at + 16], "big")
        whole = kind == b"moof" and pages[at + 4 : at + 16] == _FRAGMENT
        fragments = fragments or whole
        if size >= 8 and _BOX.fullmatch(kind) and (whole or kind != b"moof") and at + size <= len(pages):
            at += size
            continue
        found = pages.find(_FRAGMENT, at + 12) - 4 if fragments else -1
        if found < 0 or found - at > 0xFFFFFFFF:
            break
        pages[at : at + 8] = (found - at).to_bytes(4, "big") + b"free"
        at, damaged = found, True
    return damaged


class Skipped:
    """Bytes that are no sound between the packets of a format without timestamps."""

    def __init__(self, name: str, pages: mmap.mmap) -> None:
        self._most, self._pages = MOST_BYTES[name], pages
        self._bytes = self._ahead = 0  # of sound so far; by which positions are behind, as FFmpeg counts its output
        self._end: int | None = None

    def before(self, at: int, data: bytes) -> int:
        """Bytes passed over before the packet that FFmpeg puts at byte `at`."""
        mark, at = data[:_MARK], at + self._ahead
        end, self._end = self._end, at + len(data)
        gap = 0
        if self._pages[at : at + len(mark)] != mark:
            found = self._pages.find(mark, at)
            if found < 0:
                return 0
            gap, self._ahead, self._end = found - at, self._ahead + found - at, found + len(data)
            at = found
        elif end is not None:
            gap = at - end
        return self._without_tags(at - gap, gap) if gap > 0 else 0

    def within(self, data: bytes) -> int:
        """Bytes of the packet that are no sound."""
        excess = len(data) - self._most
        if excess <= 0 or self._end is None:
            self._bytes += len(data)
            return 0
        return self._without_tags(self._end - len(data), len(data))

    def seconds(self, lost: int, position: float) -> float:
        """How long `lost` bytes are, going by the sound up to `position` seconds."""
        return lost * position / self._bytes if self._bytes else 0.0

    def _without_tags(self, at: int, size: int) -> int:
        """Tags and their pictures stand between the parts of files that were joined."""
        return max(0, size - sum(map(_tag_bytes, _TAG.finditer(self._pages[at : at + size]))))


def _tag_bytes(found: re.Match[bytes]) -> int:
    if found[1]:
        size: bytes = found[1]
        return 10 + sum(byte << 7 * place for place, byte in enumerate(reversed(size)))
    return 32 + int.from_bytes(found[2], "little")
