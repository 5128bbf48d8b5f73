"""Diarization in processes of their own, beside those that decode: samples go in as they are worked on, turns come out.

A process is started when it is first needed, holds both models (0.2 GB), and serves one recording at a time. One that
crashes or is cancelled costs its recording only.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from endpoint.errors import (
    DeadlineExceeded,
    DiarizationFailed,
    InvalidRequest,
    Overloaded,
    Unavailable,
)
from endpoint.speakers.sources import Source
from endpoint.speakers.turns import Diarization, SpeakerOptions, Turn
from endpoint.speakers.worker.protocol import (
    LENGTH_BYTES,
    NOBODY_SPEAKS,
    NOT_INSTALLED,
    UNSUPPORTED,
    Request,
    framed,
)
from endpoint.types import Audio, Samples

COMMAND = (sys.executable, "-P", "-m", "endpoint.speakers.worker")
START_SECONDS = 300.0  # for a process to open its models; 0.5 s for the built-in ones, minutes where some are fetched
_SENT_SAMPLES = 1 << 18  # handed to the process at once
# One thread a process, and no library reports to its makers.
_VARIABLES = {"OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1", "PYANNOTE_METRICS_ENABLED": "0"}

logger = logging.getLogger(__name__)


class _Gone(Exception):
    """The process ended, or what it sends cannot be read."""


class _Child:
    """A running process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._input, self._output = process, process.stdin, process.stdout

    @classmethod
    async def start(cls, source: Source) -> _Child:
        return cls(
            await asyncio.create_subprocess_exec(
                *COMMAND,
                source.kind,
                source.location,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={"PYTHONPATH": os.pathsep.join(sys.path), **_VARIABLES, **source.environment},  # and no secrets
                start_new_session=True,  # Ctrl-C is for the server, which ends its children
            )
        )

    async def ready(self) -> None:
        """Its models are open. Raises DiarizationFailed, _Gone."""
        try:
            async with asyncio.timeout(START_SECONDS):
                first = await self._receive()
        except TimeoutError:
            raise _Gone(f"its models did not open within {START_SECONDS:g} s") from None
        if first.get("error") == NOT_INSTALLED:
            raise DiarizationFailed(f"{first['message']} is not installed on this server: pip install '.[pyannote]'")
        if "error" in first:
            raise DiarizationFailed(f"The models that find speakers do not open: {first['message']}")

    async def ask(self, request: Request, sound: Sequence[Samples]) -> dict[str, Any]:
        """The result, or an error. Raises _Gone."""
        sending = asyncio.create_task(self._send(request, sound))
        try:
            return await self._receive()
        finally:
            sending.cancel()  # it is done, unless the process is
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, request: Request, sound: Sequence[Samples]) -> None:
        self._input.write(framed(request.to_json()))
        for samples in sound:
            for begin in range(0, len(samples), _SENT_SAMPLES):
                self._input.write(samples[begin : begin + _SENT_SAMPLES].tobytes())
                await self._input.drain()

    async def _receive(self) -> dict[str, Any]:
        try:
            length = int.from_bytes(await self._output.readexactly(LENGTH_BYTES), "big")
            message: dict[str, Any] = json.loads(await self._output.readexactly(length))
        except asyncio.IncompleteReadError as error:
            raise _Gone(f"it ended with status {await self._process.wait()}") from error
        except (ValueError, OSError) as error:
            raise _Gone(repr(error)) from error
        return message

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.kill()
        if not self._input.transport.is_closing():
            self._input.transport.abort()
        with suppress(OSError):
            await self._output.read()  # to its end: asyncio keeps a process as long as its pipes
        await self._process.wait()


class _Slot:
    """Room for one process, which is started when it is needed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._child: _Child | None = None

    async def run(self, request: Request, sound: Sequence[Samples]) -> dict[str, Any]:
        """Raises DiarizationFailed, _Gone. Whatever interrupts it, the process is ended."""
        try:
            if self._child is None or not self._child.running:
                self._child = await _Child.start(self._source)
                await self._child.ready()
            return await self._child.ask(request, sound)
        except BaseException:
            await self.end()
            raise

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def end(self) -> None:
        if self._child is not None:
            await self._child.end()
            self._child = None


class SpeakerProcesses:
    """A Diarizer. `close` after; one event loop."""

    def __init__(self, source: Source, processes: int = 1, timeout: float = 3600.0) -> None:
        """processes: how many recordings at a time. timeout: seconds for one, and to wait for a process."""
        self._timeout = timeout
        self._slots = [_Slot(source) for _ in range(processes)]
        self._idle: asyncio.Queue[_Slot] = asyncio.Queue()
        for slot in self._slots:
            self._idle.put_nowait(slot)
        self._closing = False

    async def diarize(self, audio: Audio, options: SpeakerOptions) -> Diarization:
        """As Diarizer.diarize."""
        asked = options.num or options.minimum
        if not len(audio.samples):
            return Diarization((), asked)
        lengths = tuple((one.name, len(one.audio.samples)) for one in options.known)
        request = Request(len(audio.samples), lengths, asked, options.num or options.maximum)
        result = await self._run(request, [*(one.audio.samples for one in options.known), audio.samples])
        if "error" in result:
            raise _refused(result["error"], result["message"])
        return Diarization(tuple(Turn(*turn) for turn in result["turns"]), asked)

    async def _run(self, request: Request, sound: Sequence[Samples]) -> dict[str, Any]:
        slot = await self._take()
        try:
            async with asyncio.timeout(self._timeout):
                return await slot.run(request, sound)
        except TimeoutError:
            raise DeadlineExceeded(
                f"Finding speakers took longer than {self._timeout:g} s (SPEAKER_TIMEOUT_SECONDS). Send a shorter "
                "recording."
            ) from None
        except (_Gone, OSError) as error:
            if self._closing:
                raise _closing() from error
            logger.warning("a diarization process failed: %s", error)
            raise DiarizationFailed(
                "The process that finds speakers failed on this recording. Send it again, or without diarization."
            ) from error
        finally:
            self._idle.put_nowait(slot)

    async def _take(self) -> _Slot:
        self._check_open()
        try:
            async with asyncio.timeout(self._timeout):
                slot = await self._idle.get()
        except TimeoutError:
            raise Overloaded(
                f"No process that finds speakers was free within {self._timeout:g} s. Send the request again later."
            ) from None
        try:
            self._check_open()
        except Unavailable:
            self._idle.put_nowait(slot)  # for the next one that waits, which gets the same error, or for `close`
            raise
        return slot

    def _check_open(self) -> None:
        if self._closing:
            raise _closing()

    async def close(self) -> None:
        """Kill the processes, also those at work, and wait until they are gone; a second call does nothing."""
        if self._closing:
            return
        self._closing = True
        for slot in self._slots:
            slot.kill()
        for _ in self._slots:  # each comes back when its call has ended
            await (await self._idle.get()).end()


def _closing() -> Unavailable:
    return Unavailable("The server is shutting down. Send the request again.")


def _refused(kind: str, message: str) -> InvalidRequest | DiarizationFailed:
    """The error of a result."""
    if kind == NOBODY_SPEAKS:
        return InvalidRequest(
            f"Nobody speaks in the reference of the known speaker `{message}`. Send 2 to 10 s of this voice alone.",
            param="known_speaker_references[]",
        )
    if kind == UNSUPPORTED:
        return InvalidRequest(f"This server cannot do that: {message}.", code="unsupported")
    logger.warning("finding speakers failed: %s", message)
    return DiarizationFailed("Finding speakers failed on this recording. Send it without diarization.")
