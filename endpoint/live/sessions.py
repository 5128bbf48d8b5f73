"""The live sessions of one API process: what they share, and their end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from endpoint.config import Settings
from endpoint.live.pace import Pace
from endpoint.live.record import LiveRecord
from endpoint.live.session import Voice

if TYPE_CHECKING:
    from endpoint.models import Models

WORK_SECONDS = 30  # of audio: what a session counts as in admission, whose passes are over at most so much at once
THREADS = 4  # for voice activity: a frame of 32 ms takes 0.1 ms
_PASSES = {"cpu": 2}  # at once, by device
_OTHER_PASSES = 32


class LiveSessions:
    """One per application. ending: set when the server stops; sessions then finish their turns and close."""

    def __init__(self, settings: Settings, models: Models) -> None:
        self._settings, self._models = settings, models
        self.record = LiveRecord()
        self.ending = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._paces = dict[str, Pace]()

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, thread_name_prefix="live")

    def pace(self, model: str) -> Pace:
        """Of the engine of this model. Raises ModelNotFound."""
        name = self._models.names.find(model)
        if name not in self._paces:
            device = self._models.find(name).info.device
            self._paces[name] = Pace(self._settings.live_passes or _PASSES.get(device, _OTHER_PASSES))
        return self._paces[name]

    def voice(self) -> Voice:
        """Voice activity of a new stream."""
        from endpoint.audio.vad import VoiceActivity

        return VoiceActivity()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Around a session."""
        self.record.open += 1
        self.record.counts["sessions"] += 1
        self._empty.clear()
        try:
            yield
        finally:
            self.record.open -= 1
            if not self.record.open:
                self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Let all sessions finish the turn that is open, and wait until they are gone, at most `seconds`."""
        self.ending.set()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        if "threads" in self.__dict__:
            self.threads.shutdown(wait=False, cancel_futures=True)
