import asyncio
import threading
from typing import Any

import pytest

from endpoint.errors import MissingAudio
from endpoint.jobs.keys import checked, in_thread, is_key, new_key, reader
from endpoint.memfile import MemoryFile

WRONG = [
    "",
    ".",
    "..",
    "../audio_" + "0" * 28,
    "/etc/passwd",
    "audio_" + "0" * 27,
    "audio_" + "G" * 28,
    "job_" + "0" * 28,
]
WRONG += ["audio_" + "0" * 28 + end for end in ("\n", "/", "\0", ".part")]


def test_keys_that_are_made_are_keys() -> None:
    keys = [new_key() for _ in range(100)]
    assert len(set(keys)) == 100
    assert [checked(key) for key in keys] == keys


@pytest.mark.parametrize("text", WRONG)
def test_everything_else_is_not(text: str) -> None:
    assert not is_key(text)
    with pytest.raises(MissingAudio):
        checked(text)


def test_a_reader_outlives_what_it_reads_and_moves_nothing() -> None:
    data = MemoryFile(b"abc")
    with reader(data) as source:
        assert source.read(1) == b"a"
        data.write(b"d")
        data.close()
        assert source.read() == b"bcd"


async def test_what_runs_in_a_thread_ends_although_nobody_waits() -> None:
    go, done = threading.Event(), threading.Event()

    def work() -> Any:
        go.wait(30)
        done.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    assert await asyncio.to_thread(done.wait, 30)
