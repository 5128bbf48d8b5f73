"""Memory of a decoding process between two files."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def trim() -> None:
    """Give freed memory back to the kernel: glibc would keep what the oddest file so far needed. Other libcs do not."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
