import os
import resource

import pytest

from endpoint.memfile import MemoryFile


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_bytes_come_back_in_the_order_they_were_written() -> None:
    file = MemoryFile(b"ab")
    file.write(bytearray(b"cd"))
    file.write(memoryview(b"-ef-")[1:3])
    file.write(b"")
    assert (file.read(), len(file)) == (b"abcdef", 6)
    assert os.pread(file.fileno(), 10, 0) == b"abcdef"


def test_an_empty_one_is_false_and_readable() -> None:
    assert not MemoryFile()
    assert MemoryFile().read() == b""


def test_closing_gives_it_back_once() -> None:
    before = open_files()
    file = MemoryFile(b"x")
    assert open_files() == before + 1
    file.close()
    file.close()
    assert file.closed
    assert open_files() == before
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_one_that_nobody_refers_to_is_closed() -> None:
    before = open_files()
    MemoryFile(b"x")
    assert open_files() == before


def test_no_child_inherits_it() -> None:
    assert not os.get_inheritable(MemoryFile(b"x").fileno())


def test_where_no_more_files_can_be_opened_it_says_so() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            MemoryFile(b"x")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
