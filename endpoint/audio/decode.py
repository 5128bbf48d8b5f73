"""Bytes of any container -> Audio, in processes of their own.

A hostile file does its harm in a media parser. So each file is decoded by a running process that holds no secrets
and serves one file at a time: a crash, a limit or a timeout costs that file only. Bytes go in and samples come out
in memory files: they have no names, take nothing of /dev/shm, and the kernel frees them whichever process ends first.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import numpy as np

from endpoint.audio.worker.protocol import (
    BYTES_PER_SAMPLE,
    DECODE,
    DECODE_WITH_BEGINNING,
    DECODE_WITH_SPEECH,
    Limits,
    Selection,
)
from endpoint.config import Settings
from endpoint.errors import ConfigError, DeadlineExceeded, InvalidAudio, Overloaded, RequestError, TooLarge, Unavailable
from endpoint.memfile import MemoryFile
from endpoint.types import SPEECH_FRAME, Audio, Notice

COMMAND = [sys.executable, "-P", "-m", "endpoint.audio.worker"]
START_SECONDS = 60.0  # for a process to import PyAV and onnxruntime; 0.3 s on an idle machine
_RESPONSE_BYTES = 65_536
_REFUSALS: dict[str, type[RequestError]] = {"InvalidAudio": InvalidAudio, "TooLarge": TooLarge}
# The process must not change what the parent has mapped: a file that shrinks under a mapping is a SIGBUS.
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL

logger = logging.getLogger(__name__)

Begun = Callable[[Audio], object]
WHOLE = Selection()


class _Crash(Exception):
    """The process ended, or its response cannot be read."""


class Child:
    """One slot of the pool and its process. One thread at a time calls `decode`; any thread may call `stop`."""

    def __init__(self, limits: Limits, timeout: float) -> None:
        self._limits, self._timeout = limits, timeout
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._ready = self._stopped = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno()), self._limits.to_json()],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},  # and none of our secrets
                start_new_session=True,  # Ctrl-C is for the server, which ends its children when it has drained
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        if not self._ready:
            self._receive(START_SECONDS)
            self._ready = True

    def decode(
        self, data: MemoryFile, vad: bool = False, begun: Begun | None = None, selection: Selection = WHOLE
    ) -> tuple[Audio, ...]:
        """As Decoder.decode, each channel if they are kept; `begun` is called in this thread. Raises InvalidAudio,
        TooLarge, DeadlineExceeded, Unavailable.
        """
        if self._stopped or self._process.poll() is not None:  # killed while it was idle
            self._renew()
        try:
            self.wait_ready()
            return self._exchange(data, vad, begun, selection)
        except TimeoutError:
            self.stop()
            raise DeadlineExceeded(
                f"Decoding took longer than {self._timeout:g} s (DECODE_TIMEOUT_SECONDS). Send a shorter recording, "
                "or one that is 16 kHz mono already: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav"
            ) from None
        except (_Crash, OSError) as error:
            self.stop()
            if self._closed:
                raise _closing() from error
            logger.warning("decoding process %d failed on %d bytes: %s", self.pid, len(data), error)
            raise InvalidAudio(
                "The decoder failed on this file. Convert it and try again: ffmpeg -i INPUT -ac 1 -ar 16000 output.wav",
                code="audio_decode_failed",
            ) from error
        finally:
            if self._stopped:
                self._renew()

    def _exchange(self, data: MemoryFile, vad: bool, begun: Begun | None, selection: Selection) -> tuple[Audio, ...]:
        deadline = time.monotonic() + self._timeout
        target = os.memfd_create("samples", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            kind = DECODE_WITH_BEGINNING if vad and begun else DECODE_WITH_SPEECH if vad else DECODE
            socket.send_fds(self._socket, [kind + selection.to_json().encode()], [data.fileno(), target])
            response = json.loads(self._receive(max(0.001, deadline - time.monotonic())))
            if begun and "beginning" in response:
                begun(_beginning(target, response["of"], response["beginning"]))
                response = json.loads(self._receive(max(0.001, deadline - time.monotonic())))
            if "samples" not in response:
                if refusal := _REFUSALS.get(response["type"]):
                    raise refusal(response["message"], code=response["code"], param=response["param"])
                raise _Crash(response["message"])
            return _mapped(target, response["samples"], response["frames"] if vad else None, response["report"])
        except (ValueError, KeyError) as error:
            raise _Crash(f"wrong response: {error!r}") from error
        finally:
            os.close(target)
            data.close()

    def _receive(self, timeout: float) -> bytes:
        self._socket.settimeout(timeout)
        message = self._socket.recv(_RESPONSE_BYTES)
        if message:
            return message
        with suppress(subprocess.TimeoutExpired):  # its socket closes a moment before the process has ended
            self._process.wait(1)
        raise _Crash(f"it ended with status {self._process.returncode}")

    def _renew(self) -> None:
        self.end()
        if not self._closed:
            self._start()

    def stop(self) -> None:
        """Kill the process: its caller gets an error at once, and the next file gets a new process."""
        self._stopped = True
        self._process.kill()

    def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def close(self) -> None:
        """Kill the process for good."""
        self._closed = True
        self.stop()


class AudioDecoder(Protocol):
    """What decodes for a Pipeline. `start` before, `close` after; one event loop."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def decode(
        self, data: bytes | MemoryFile, vad: bool = False, begun: Begun | None = None, selection: Selection = WHOLE
    ) -> Audio: ...

    async def decode_channels(self, data: bytes | MemoryFile, selection: Selection = WHOLE) -> tuple[Audio, ...]: ...


def _closing() -> Unavailable:
    return Unavailable("The server is shutting down. Send the request again.")


def _beginning(file: int, count: int, frames: int) -> Audio:
    """The first `frames` of a recording of `count` samples; copied, as its process still writes what follows."""
    samples = os.pread(file, frames * SPEECH_FRAME * BYTES_PER_SAMPLE, 0)
    speech = os.pread(file, frames, count * BYTES_PER_SAMPLE)
    return Audio(np.frombuffer(samples, np.int16), np.frombuffer(speech, np.uint8))


def _mapped(file: int, count: int, frames: int | None, report_bytes: int) -> tuple[Audio, ...]:
    """The samples in `file` and the speech behind them, not copied; they live as long as the arrays.

    count, frames: of each channel. report_bytes: length of the report on the file, JSON behind the speech.
    """
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    size = os.fstat(file).st_size
    # Populated here, in a thread, or the event loop would take 250,000 page faults an hour of sound.
    pages = mmap.mmap(file, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    report = json.loads(pages[size - report_bytes :])
    channels = len(report["gains"])
    end = channels * count * BYTES_PER_SAMPLE
    if size != end + channels * (frames or 0) + report_bytes:
        about = f"{channels} times {count} samples and {frames} frames, and {report_bytes} bytes of JSON"
        raise _Crash(f"{about} in {size} bytes")
    unreadable = tuple((begin, finish) for begin, finish in report["unreadable"])
    notices = tuple(Notice(*given) for given in report["notices"])
    decode_seconds, vad_seconds = report["seconds"]
    made = list[Audio]()
    for channel, gain in enumerate(report["gains"]):
        samples = np.frombuffer(pages, np.int16, count, offset=channel * count * BYTES_PER_SAMPLE)
        speech = None if frames is None else np.frombuffer(pages, np.uint8, frames, offset=end + channel * frames)
        made.append(Audio(samples, speech, unreadable, notices, decode_seconds, vad_seconds, gain))
    return tuple(made)


def _decode(
    child: Child, data: bytes | MemoryFile, vad: bool, begun: Begun | None, selection: Selection
) -> tuple[Audio, ...]:
    return child.decode(data if isinstance(data, MemoryFile) else MemoryFile(data), vad, begun, selection)


class Decoder:
    """A pool of decoding processes. `start` before, `close` after; one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.decode_timeout_seconds
        self._limits = Limits(settings.max_audio_seconds, settings.max_channels, self._timeout)
        self._count = settings.decode_processes
        self._children: list[Child] = []
        self._idle: asyncio.Queue[Child] = asyncio.Queue()
        self._jobs: set[asyncio.Future[tuple[Audio, ...]]] = set()
        self._closing = False
        # One thread for each process, which waits for it.
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="decode")

    async def start(self) -> None:
        """Start the processes and wait until each can decode; a second call does nothing. Raises ConfigError."""
        if self._children:
            return
        loop = asyncio.get_running_loop()
        try:
            for _ in range(self._count):
                self._children.append(await loop.run_in_executor(self._threads, Child, self._limits, self._timeout))
            await asyncio.gather(*(loop.run_in_executor(self._threads, c.wait_ready) for c in self._children))
        except (_Crash, OSError) as error:
            await self.close()
            raise ConfigError(f"the decoding processes do not start: {error}") from error
        for child in self._children:
            self._idle.put_nowait(child)

    async def decode(
        self, data: bytes | MemoryFile, vad: bool = False, begun: Begun | None = None, selection: Selection = WHOLE
    ) -> Audio:
        """Decode an audio stream of a file of any container, its channels mixed: int16 [n], mono, 16 kHz, n >= 1,
        read-only.

        data: a memory file is used up: its pages are freed while it is read, and it is closed.
        vad: also judge where speech is, within the same time and memory.
        begun: with `vad`, called with the first minute of a recording of more than two, before the rest is judged.
        selection: which audio stream, and which part of it; of a part, samples and frames begin with it.
        Cancelling the call kills the process that decodes. Raises InvalidAudio (codes empty_file, invalid_audio,
        no_audio_stream, no_audio, audio_decode_failed), TooLarge (audio_too_long), DeadlineExceeded, Overloaded,
        Unavailable while closing.
        """
        (audio,) = await self._decoded(data, vad, begun, replace(selection, channels=False))
        return audio

    async def decode_channels(self, data: bytes | MemoryFile, selection: Selection = WHOLE) -> tuple[Audio, ...]:
        """Each channel of such a stream by itself, with its speech: one or more, of the same length.

        Reports and seconds are those of the whole file in each. As `decode` otherwise.
        """
        return await self._decoded(data, True, None, replace(selection, channels=True))

    async def _decoded(
        self, data: bytes | MemoryFile, vad: bool, begun: Begun | None, selection: Selection
    ) -> tuple[Audio, ...]:
        if not data:
            raise InvalidAudio("The file is empty: 0 bytes arrived. Send the recording itself.", code="empty_file")
        child = await self._take()
        loop = asyncio.get_running_loop()
        notify = (lambda audio: loop.call_soon_threadsafe(begun, audio)) if begun else None
        job = loop.run_in_executor(self._threads, _decode, child, data, vad, notify, selection)
        self._jobs.add(job)
        job.add_done_callback(lambda _: self._give(job, child))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            if not job.done():  # else the process may be at another request already
                child.stop()
            raise

    async def _take(self) -> Child:
        try:
            async with asyncio.timeout(self._timeout):
                child = await self._idle.get()
        except TimeoutError:
            raise Overloaded(
                f"No decoding process was free within {self._timeout:g} s. Send the request again later."
            ) from None
        if self._closing:
            self._idle.put_nowait(child)  # the next one that waits gets the same error
            raise _closing()
        return child

    def _give(self, job: asyncio.Future[tuple[Audio, ...]], child: Child) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # read here, for the caller may have gone: asyncio warns of errors that nobody reads
        self._idle.put_nowait(child)

    async def close(self) -> None:
        """Kill the processes, also those at work, and wait until they are gone."""
        self._closing = True
        for child in self._children:
            child.close()
        if self._jobs:
            await asyncio.wait(self._jobs)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._threads.shutdown()
        for child in self._children:
            child.end()
