"""What a file needed is given back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PINNED = """
from pathlib import Path
from endpoint.audio.worker.heap import trim

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

trim()
before = resident()
blocks = [b"x" * 100_000 for _ in range(500)]
del blocks[:-1]  # the last one keeps the heap from shrinking
trim()
print(resident() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc keeps what was freed")
def test_freed_memory_goes_back_although_something_behind_it_is_in_use() -> None:
    done = subprocess.run([sys.executable, "-c", PINNED], capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 20 << 20  # of 50 MB
