"""Bytes of a container that arrive bit by bit -> samples, in a decoding process of the stream's own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress

from endpoint.audio.worker.protocol import Limits
from endpoint.config import Settings
from endpoint.errors import InvalidAudio

_COMMAND = [sys.executable, "-P", "-m", "endpoint.audio.worker.stream"]
_AT_ONCE = 1 << 16  # bytes of samples read at once: 2 s


class StreamDecoder:
    """One process. `feed` and `read` are for two tasks; `close` ends the process whatever it does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def finished(self) -> None:
        """Wait until all samples are read. Raises InvalidAudio as `read` does."""
        await asyncio.shield(self._finished)

    @classmethod
    async def start(cls, settings: Settings) -> StreamDecoder:
        seconds = settings.decode_timeout_seconds + settings.live_session_seconds
        limits = Limits(settings.max_audio_seconds, settings.max_channels, seconds)
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, limits.to_json(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},  # and none of our secrets
            start_new_session=True,
        )  # fmt: skip
        return cls(process)

    async def feed(self, data: bytes) -> None:
        """Waits where the process is slow. A process that has failed takes nothing; `read` raises the reason."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    def end(self) -> None:
        """There are no more bytes."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def read(self) -> bytes:
        """int16 samples, 16 kHz, mono; empty at the end. Raises InvalidAudio."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        if data := await self._process.stdout.read(_AT_ONCE):
            return data
        last = (await self._process.stderr.read()).decode(errors="replace").splitlines()[-1:]
        if await self._process.wait():
            error = _reason(last[0] if last else "")
            self._finished.set_exception(error)
            self._finished.exception()  # read: nobody needs to wait for it
            raise error
        self._finished.set_result(None)
        return b""

    async def close(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._finished.cancel()


def _reason(line: str) -> InvalidAudio:
    try:
        found = json.loads(line)
        return InvalidAudio(found["message"], code=found["code"], param=None)
    except (ValueError, TypeError, KeyError):
        return InvalidAudio("The decoder failed on this stream.", code="audio_decode_failed", param=None)
