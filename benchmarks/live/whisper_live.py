"""WhisperLive's own server, as its package has it, and a client of its socket.

    PYTHONPATH=build/peers:build/live-peers python -m benchmarks.live.whisper_live PORT MODEL SESSIONS

MODEL: a folder in CTranslate2's format. Its settings are its own: int8 on a processor, voice activity detection on.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.live.shown import Shown
from endpoint.net import free_port
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, Samples

PACKAGES = ("build/peers", "build/live-peers")
FRAME = SAMPLE_RATE // 10  # samples in a message, as the other server gets them
START_SECONDS = 120.0
QUIET_SECONDS, LONGEST_SECONDS = 3.0, 20.0  # without news after the last sound, until it is taken for the end


@contextmanager
def whisper_live(model: Path, sessions: int) -> Iterator[tuple[str, int]]:
    """Its address, and its process."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.live.whisper_live", str(port), str(model), str(sessions)]
    path = ":".join(filter(None, (*map(os.path.abspath, PACKAGES), os.environ.get("PYTHONPATH", ""))))
    own = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(command, env=own, stderr=subprocess.DEVNULL) as server:  # it logs every pass
        try:
            yield f"ws://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


async def until_ready(address: str) -> None:
    """Raises TimeoutError."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            async with connect(address):
                return
        except OSError:
            if time.monotonic() > end:
                raise TimeoutError(f"nothing listens at {address}") from None
            await asyncio.sleep(0.2)


async def show(address: str, samples: Samples, language: str) -> list[Shown]:
    """One session at the pace of speech: int16 [n], 16 kHz. What its client saw."""
    async with connect(address, max_size=None, compression=None) as socket:
        options = {"uid": str(id(socket)), "language": language, "task": "transcribe", "model": "base", "use_vad": True}
        await socket.send(json.dumps(options))
        while json.loads(await socket.recv()).get("message") != "SERVER_READY":
            pass
        log, began = list[Shown](), time.monotonic()
        reading = asyncio.create_task(_read(socket, began, log))
        try:
            await _send(socket, samples, began, log)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return log


async def _send(socket: ClientConnection, samples: Samples, began: float, log: list[Shown]) -> None:
    """The sound, then silence until no more text comes."""
    number, silence = 0, np.zeros(FRAME, np.int16)
    while True:
        part = samples[number * FRAME : (number + 1) * FRAME]
        number += 1
        await asyncio.sleep(max(0.0, began + number * FRAME / SAMPLE_RATE - time.monotonic()))
        await socket.send(((part if len(part) else silence) / np.float32(PCM_FULL_SCALE)).astype(np.float32).tobytes())
        over = (number * FRAME - len(samples)) / SAMPLE_RATE
        if over > QUIET_SECONDS:
            news = log[-1].seconds if log else 0.0
            if over > LONGEST_SECONDS or time.monotonic() - began - news > QUIET_SECONDS:
                await socket.send(b"END_OF_AUDIO")
                return


async def _read(socket: ClientConnection, began: float, log: list[Shown]) -> None:
    settled = dict[str, str]()  # text by the start of its segment: the last ten are sent each time
    try:
        async for message in socket:
            body: dict[str, Any] = json.loads(message)
            if "segments" not in body:
                continue
            segments = body["segments"]
            settled |= {one["start"]: one["text"] for one in segments if one["completed"]}
            still = " ".join(one["text"] for one in segments if not one["completed"])
            entry = Shown(time.monotonic() - began, " ".join(settled.values()), still)
            if not log or (entry.settled, entry.open) != (log[-1].settled, log[-1].open):
                log.append(entry)
    except ConnectionClosed:
        return


def _serve(port: int, model: str, sessions: int) -> None:
    from whisper_live.server import TranscriptionServer

    TranscriptionServer().run(
        "127.0.0.1",
        port,
        backend="faster_whisper",
        faster_whisper_custom_model_path=model,
        single_model=True,
        max_clients=sessions + 1,
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
