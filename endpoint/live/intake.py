"""Messages on their way from the client to the session: those with bytes of a container are decoded first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from endpoint.audio.stream import StreamDecoder
from endpoint.config import Settings

Receive = Callable[[str | bytes], Awaitable[None]]

# How files begin (and no sound does, but by a chance of one in a million).
_RIFF, _OGG, _MATROSKA, _FLAC, _MP4, _ID3 = b"RIFF", b"OggS", b"\x1a\x45\xdf\xa3", b"fLaC", b"ftyp", b"ID3"
_OGG_FIRST_PAGE = 2  # flag in byte 5


def begins_file(data: bytes) -> bool:
    """Whether these bytes are the beginning of a container, rather than sound or the middle of one."""
    if data.startswith(_OGG):
        return len(data) < 6 or bool(data[5] & _OGG_FIRST_PAGE)
    return data.startswith((_RIFF, _MATROSKA, _FLAC, _ID3)) or data[4:8] == _MP4 or _is_mp3(data)


def _is_mp3(data: bytes) -> bool:
    """Eleven bits of synchronisation, then MPEG 1 or 2, layer III, a bit rate and a sample rate that there are."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return False
    return data[2] >> 4 not in (0, 15) and data[2] >> 2 & 3 != 3


class Intake:
    """Passes text and plain sound on as they are. A file may follow a file; both are parts of one stream."""

    def __init__(self, receive: Receive, settings: Settings) -> None:
        self._receive, self._settings = receive, settings
        self._begun = False
        self._decoder: StreamDecoder | None = None
        self._started = asyncio.Queue[StreamDecoder]()

    async def take(self, message: str | bytes) -> None:
        if isinstance(message, str) or not message:
            await self.end()
            await self._receive(message)
            return
        if begins_file(message) and (self._decoder is not None or not self._begun):
            await self.end()
            self._decoder = await StreamDecoder.start(self._settings)
            self._started.put_nowait(self._decoder)
        self._begun = True
        if self._decoder is None:
            await self._receive(message)
        else:
            await self._decoder.feed(message)

    async def end(self) -> None:
        """Wait until what was taken has been passed on. Raises InvalidAudio, as `run` does."""
        if self._decoder is not None:
            self._decoder.end()
            await self._decoder.finished()
            self._decoder = None

    async def run(self) -> None:
        """Pass on what is decoded, until cancelled. Raises InvalidAudio."""
        while True:
            decoder = await self._started.get()
            try:
                while sound := await decoder.read():
                    await self._receive(sound)
            finally:
                await decoder.close()
