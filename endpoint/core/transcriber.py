"""The interface of the core: bytes and options in, settled segments and a transcript out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from endpoint.call import Call
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.types import EngineInfo, Segment, Transcript


@dataclass(frozen=True)
class Progress:
    """How far a recording is, in milliseconds of the sound of its windows: `done` are decoded, in whatever order, of
    `total` known so far. segments: settled since the last progress, in order.
    """

    done: int
    total: int
    segments: tuple[Segment, ...] = ()


Steps = AsyncGenerator[Progress | Transcript, None]  # the transcript is the last


class Transcriber(Protocol):
    """A model with its audio decoder, in this process or in others."""

    @property
    def info(self) -> EngineInfo: ...

    async def start(self) -> None:
        """Load the model. Raises EngineFailed; from then on `check` raises it too, with the reason."""

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Raises NotReady while the model loads, EngineFailed when the engine has failed for good."""

    def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        """Transcribe one file of any container. The first step comes once the file is known to be audio.

        Closing the generator ends the work. Raises InvalidAudio, TooLarge and DeadlineExceeded for the file,
        InvalidRequest for the options, Overloaded, NotReady and EngineFailed.
        """
        ...

    async def detect(self, data: bytes | MemoryFile, options: Options, call: Call) -> tuple[Mapping[str, float], int]:
        """(probability of each language, length in ms) of a file. Raises as `segments`."""
        ...


class Wrapped:
    """A Transcriber around another one: what a subclass leaves as it is, the inner one does."""

    def __init__(self, within: Transcriber) -> None:
        self._within = within

    @property
    def info(self) -> EngineInfo:
        return self._within.info

    async def start(self) -> None:
        await self._within.start()

    async def close(self) -> None:
        await self._within.close()

    async def check(self) -> None:
        await self._within.check()

    def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        return self._within.segments(data, options, call)

    async def detect(self, data: bytes | MemoryFile, options: Options, call: Call) -> tuple[Mapping[str, float], int]:
        return await self._within.detect(data, options, call)


async def collect(steps: Steps) -> Transcript:
    """The transcript at the end of the steps."""
    transcript: Transcript | None = None
    async with aclosing(steps):
        async for step in steps:
            if isinstance(step, Transcript):
                transcript = step
    assert transcript is not None
    return transcript


async def transcribe(
    transcriber: Transcriber, data: bytes | MemoryFile, options: Options, call: Call | None = None
) -> Transcript:
    """The whole transcript of one file. Raises as Transcriber.segments."""
    return await collect(transcriber.segments(data, options, call or Call()))
