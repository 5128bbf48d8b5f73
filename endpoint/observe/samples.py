"""A share of recordings is kept with its transcripts, so that people can correct these and the accuracy is known.

Only recordings of callers that consent. `endpoint evaluate` compares them with the corrected texts.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import structlog

from endpoint.call import Call
from endpoint.caller import ANONYMOUS_ID, Caller
from endpoint.config import Settings
from endpoint.core.transcriber import Steps, Transcriber, Wrapped
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.types import Transcript

MIB = 1024 * 1024
SOUND = ".audio"  # the bytes as they were sent, of any container

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sample:
    """What is known of a kept recording, beside its sound. caller: id of its key. kind: live, request or job."""

    model: str
    language: str
    seconds: float
    text: str
    caller: str
    kept_at: float  # seconds since 1970
    kind: str


class SampleFolder:
    """NAME.audio with the sound and NAME.json with the transcript; readable by the server's user alone.

    most_mib: of all files together. Several processes may share the folder.
    """

    def __init__(self, path: Path, most_mib: int) -> None:
        self._path, self._most = path, most_mib * MIB
        self._full = False

    def keep(self, name: str, sound: bytes | MemoryFile, sample: Sample) -> bool:
        """Whether there was room for it. Raises OSError."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        row = json.dumps(sample.__dict__, ensure_ascii=False, indent=1).encode()
        with os.scandir(self._path) as files:
            used = sum(file.stat().st_size for file in files if file.is_file())
        if used + len(sound) + len(row) > self._most:
            if not self._full:
                log.warning("no more samples are kept: the folder is full (SAMPLE_MEGABYTES)", used=used)
            self._full = True
            return False
        _write(self._path / f"{name}{SOUND}", sound if isinstance(sound, bytes) else sound.read())
        _write(self._path / f"{name}.json", row)  # last: a sample is there once it is whole
        return True


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def sampled(settings: Settings, transcriber: Transcriber) -> Transcriber:
    """It, or one that keeps a share of the recordings, where the settings ask for that."""
    if not settings.sample_share:
        return transcriber
    folder = SampleFolder(settings.samples_path, settings.sample_megabytes)
    return Sampling(transcriber, folder, settings.sample_share, anonymous=settings.sample_anonymous)


class Sampling(Wrapped):
    """A Transcriber that keeps a share of what it transcribes. anonymous: callers without a key consent."""

    def __init__(
        self,
        within: Transcriber,
        folder: SampleFolder,
        share: float,
        *,
        anonymous: bool = False,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(within)
        self._folder, self._share, self._draw = folder, share, draw
        self._anonymous = anonymous

    def __getattr__(self, name: str) -> object:
        """Whatever else it has, such as `load`, is the inner one's."""
        return getattr(self._within, name)

    async def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        """As Transcriber.segments. A sample that cannot be kept changes nothing for the caller."""
        wanted = self._consents(call.caller) and self._draw() < self._share
        async with aclosing(self._within.segments(data, options, call)) as steps:
            async for step in steps:
                if wanted and isinstance(step, Transcript):
                    await self._keep(data, step, call)
                yield step

    def _consents(self, caller: Caller) -> bool:
        return caller.sampling or (self._anonymous and caller.id == ANONYMOUS_ID)

    async def _keep(self, data: bytes | MemoryFile, transcript: Transcript, call: Call) -> None:
        seconds, now = transcript.duration_ms / 1000, time.time()
        sample = Sample(
            call.record.model, transcript.language, seconds, transcript.text, call.caller.id, now, call.kind
        )
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{random.randbytes(6).hex()}"  # noqa: S311 - a name
        try:
            await asyncio.to_thread(self._folder.keep, name, data, sample)
        except OSError as error:
            log.warning("sample not kept", why=error.strerror)
