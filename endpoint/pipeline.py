"""The core: bytes in, Transcript out. Everything else is a door into it.

decode -> windows -> engine, side by side -> assemble. Cancelling `transcribe` cancels all of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from endpoint.audio.decode import Decoder
from endpoint.audio.window import cut
from endpoint.errors import EndpointError, EngineFailed, NotReady
from endpoint.text.assemble import assemble
from endpoint.types import SAMPLE_RATE, Engine, EngineInfo, Hypothesis, Options, Transcript, Window

WINDOWS_AT_ONCE = 32  # of one file; a long file leaves room in the engine's batch for others

Progress = Callable[[int, int], None]  # windows done, windows in all


class Pipeline:
    """Owns the decoder and the engine. `window_seconds` is the longest window the model is given."""

    def __init__(self, engine: Engine, decoder: Decoder, window_seconds: float) -> None:
        self._engine, self._decoder = engine, decoder
        self._longest = int(window_seconds * SAMPLE_RATE)
        self._ready = False
        self._failure: EndpointError | None = None

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def start(self) -> None:
        """Load the model. Raises EngineFailed; `check` then says why ever after."""
        try:
            await self._decoder.start()
            await self._engine.start()
        except EndpointError as error:
            self._failure = error
            raise
        self._ready = True

    async def close(self) -> None:
        self._ready = False
        await self._engine.close()
        await self._decoder.close()

    async def check(self) -> None:
        """Raises NotReady while the model loads, EngineFailed when it can answer no more."""
        if self._failure is not None:
            raise EngineFailed(f"the model could not be loaded: {self._failure.message}")
        if not self._ready:
            raise NotReady("the model is still loading; try again in a few seconds")
        await self._engine.check()

    async def transcribe(
        self, data: bytes | bytearray, options: Options, progress: Progress | None = None
    ) -> Transcript:
        """Transcribe one file of any container.

        Raises InvalidAudio, TooLarge and DeadlineExceeded for the file, InvalidRequest for the options,
        NotReady and EngineFailed for the engine.
        """
        await self.check()
        began = time.perf_counter()
        audio = await self._decoder.decode(data)
        decoded = time.perf_counter()
        windows = cut(audio, self._longest)
        hypotheses = await self.run(windows, options, progress)
        timings = {"decode": decoded - began, "engine": time.perf_counter() - decoded}
        return assemble(hypotheses, options, audio.duration_ms, timings)

    async def run(
        self, windows: Sequence[Window], options: Options, progress: Progress | None = None
    ) -> list[Hypothesis]:
        """Hypotheses of `windows`, in their order; a failure cancels the rest."""
        places = asyncio.Semaphore(WINDOWS_AT_ONCE)
        done = 0

        async def one(window: Window) -> Hypothesis:
            nonlocal done
            async with places:
                hypothesis = await self._engine.decode(window, options)
            done += 1
            if progress is not None:
                progress(done, len(windows))
            return hypothesis

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(window)) for window in windows]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]
