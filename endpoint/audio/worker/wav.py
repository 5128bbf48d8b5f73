"""Wave files without a media library: a header is read, and the samples are where they are. Anything unusual is None.

Format: IBM and Microsoft, Multimedia Programming Interface (1991), chapter 3; WAVEFORMATEXTENSIBLE.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TYPES: dict[tuple[int, int], npt.DTypeLike] = {
    (_PCM, 8): "u1", (_PCM, 16): "<i2", (_PCM, 32): "<i4", (_FLOAT, 32): "<f4", (_FLOAT, 64): "<f8",
}  # fmt: skip
UNKNOWN_FROM = 0x7FFF0000  # a declared size that its writer cannot have known
_MOST_CHUNKS = 64  # before the samples; more is not what anybody writes


@dataclass(frozen=True)
class Wave:
    """rate: Hz. sound: [n, channels], as much as is there. missing: frames that the header declares beyond it."""

    rate: int
    sound: npt.NDArray[Any]
    missing: int = 0


def read_wave(data: memoryview) -> Wave | None:
    """The sound of a whole wave file, or as much as is there of one cut short.

    None for what is no wave file, or of another sample type than 8, 16 and 32 bits and floats: a media library may
    know it.
    """
    if len(data) < 12 or bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WAVE":
        return None
    at, form = 12, None
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return None
        name, size = bytes(data[at : at + 4]), struct.unpack_from("<I", data, at + 4)[0]
        at += 8
        if name == b"fmt ":
            form = _form(bytes(data[at : at + min(size, 40)]))
            if form is None:
                return None
        elif name == b"data":
            # A recorder that writes to a pipe does not know the size: 0, or nearly all that 31 or 32 bits can hold.
            known = 0 < size < UNKNOWN_FROM
            return _wave(form, data[at : at + size] if size else data[at:], size if known else 0) if form else None
        at += size + size % 2
    return None


def _form(header: bytes) -> tuple[int, int, np.dtype[Any]] | None:
    """(rate, channels, sample type)"""
    if len(header) < 16:
        return None
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", header)
    if tag == _EXTENSIBLE and len(header) >= 26:
        tag = struct.unpack_from("<H", header, 24)[0]
    if (tag, bits) not in _TYPES:
        return None
    kind = np.dtype(_TYPES[tag, bits])
    return (rate, channels, kind) if channels and frame_bytes == channels * kind.itemsize else None


def _wave(form: tuple[int, int, np.dtype[Any]], body: memoryview, declared: int) -> Wave:
    rate, channels, kind = form
    size = channels * kind.itemsize
    whole = len(body) // size
    sound = np.frombuffer(body, kind, whole * channels).reshape(whole, channels)
    return Wave(rate, sound, max(0, declared - len(body)) // size)
