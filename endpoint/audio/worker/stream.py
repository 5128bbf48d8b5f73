"""A decoding process of one live stream: bytes of a container on standard input, samples on standard output.

Started as `python -m endpoint.audio.worker.stream <limits>` by endpoint/audio/stream.py. The samples are int16, mono,
16 kHz. A stream that cannot be decoded ends the process with status 1, and its last line of standard error is the error
as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import av
import numpy as np
import numpy.typing as npt

from endpoint.audio.worker.container import CONTAINER_OPTIONS, check_form, choose, sound_of
from endpoint.audio.worker.formats import WELL_KNOWN
from endpoint.audio.worker.frames import DAMAGE, raise_if_memory
from endpoint.audio.worker.level import Part
from endpoint.audio.worker.pcm import Block, Converter
from endpoint.audio.worker.protocol import Limits
from endpoint.errors import InvalidAudio, RequestError
from endpoint.types import Samples

# How much of the stream FFmpeg looks at before it gives sound: by default 5 MB and 5 s.
_SOON = {"probesize": "32768", "analyzeduration": "200000"}


class Forward:
    """A stream that cannot be sought in. read: as much as is there, at most `size` bytes; empty at the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file.fileno()

    def read(self, size: int) -> bytes:
        return os.read(self._file, size)


def decode_stream(source: Forward, limits: Limits) -> Iterator[Samples]:
    """int16 [n], mono, 16 kHz, several times, as soon as a frame is there. Raises InvalidAudio."""
    converter = Converter()
    try:
        with av.open(
            source, "r", container_options=CONTAINER_OPTIONS, options=_SOON, metadata_errors="replace"
        ) as file:
            stream = choose(file, None)
            assert stream is not None
            for frame in file.decode(stream):
                check_form(frame.sample_rate, frame.layout.nb_channels, limits)
                block = Block(frame.sample_rate, sound_of(frame, frame.layout.nb_channels))
                yield from map(_rounded, (part for part in converter.feed(block) if not isinstance(part, int)))
    except DAMAGE as error:
        raise_if_memory(error)
        raise InvalidAudio(
            f"The stream is not audio in a known format that can be read from its beginning on, or it is damaged. Send "
            f"{WELL_KNOWN}, or raw PCM: 16 bit little-endian, mono, 16 kHz."
        ) from error
    yield from map(_rounded, converter.flush())


def _rounded(part: Part) -> Samples:
    if part.dtype == np.int16:
        return np.ascontiguousarray(part, np.int16)
    limits = np.iinfo(np.int16)
    rounded: npt.NDArray[np.int16] = np.clip(np.rint(part), limits.min, limits.max).astype(np.int16)
    return rounded


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold someone's recording
    limits = Limits(**json.loads(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits.cpu_seconds), int(limits.cpu_seconds)))
    av.logging.set_level(None)
    try:
        for samples in decode_stream(Forward(sys.stdin.buffer), limits):
            sys.stdout.buffer.write(samples.data)
            sys.stdout.buffer.flush()
    except RequestError as error:
        sys.stderr.write(json.dumps({"code": error.code, "message": error.message}) + "\n")
        return 1
    except (MemoryError, BrokenPipeError):
        return 2
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
