"""A decoding process of a stream's own."""

from __future__ import annotations

import asyncio
import os

import numpy as np
import pytest

from endpoint.audio.stream import StreamDecoder
from endpoint.bench.containers import encode
from endpoint.config import Settings
from endpoint.errors import InvalidAudio
from tests.recordings import tone


async def read_all(decoder: StreamDecoder) -> bytes:
    data = b""
    while part := await decoder.read():
        data += part
    return data


async def test_samples_come_while_bytes_still_do():
    decoder = await StreamDecoder.start(Settings())
    data = encode(tone(16_000, 4.0), "flac")
    await decoder.feed(data[: len(data) // 2])
    first = await decoder.read()
    assert first
    await decoder.feed(data[len(data) // 2 :])
    decoder.end()
    sound = np.frombuffer(first + await read_all(decoder), np.int16)
    assert len(sound) == 4 * 16_000
    await decoder.finished()
    await decoder.close()


async def test_what_is_no_audio_is_an_error_with_its_reason():
    decoder = await StreamDecoder.start(Settings())
    await decoder.feed(b"no sound at all" * 10_000)
    decoder.end()
    with pytest.raises(InvalidAudio, match="not audio in a known format"):
        await read_all(decoder)
    with pytest.raises(InvalidAudio):
        await decoder.finished()
    await decoder.feed(b"more")  # is ignored
    await decoder.close()


async def test_a_process_that_is_killed_is_an_error():
    decoder = await StreamDecoder.start(Settings())
    os.kill(decoder._process.pid, 9)
    with pytest.raises(InvalidAudio):
        await read_all(decoder)
    await decoder.close()


async def test_closing_ends_the_process():
    decoder = await StreamDecoder.start(Settings())
    reading = asyncio.create_task(decoder.read())
    await decoder.close()
    assert decoder._process.returncode is not None
    await asyncio.gather(reading, return_exceptions=True)
