"""A diarization process: samples in, turns out, one recording after the other.

Started as `python -m endpoint.speakers.worker <kind> <source>` by endpoint/speakers/processes.py; protocol.py has the
messages. When the parent closes its end, the process exits.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from endpoint.speakers.turns import Turn
from endpoint.speakers.worker.diarize import BuiltIn, NobodySpeaks
from endpoint.speakers.worker.frames import Samples
from endpoint.speakers.worker.models import Models
from endpoint.speakers.worker.protocol import (
    BYTES_PER_SAMPLE,
    FAILED,
    LENGTH_BYTES,
    NOBODY_SPEAKS,
    NOT_INSTALLED,
    PYANNOTE,
    UNSUPPORTED,
    Request,
    framed,
)
from endpoint.speakers.worker.pyannote import Pyannote, Unsupported
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE

BLOCK = 10 * SAMPLE_RATE  # samples read at once


class Backend(Protocol):
    """What finds speakers."""

    def diarize(
        self, blocks: Iterable[Samples], least: int | None, most: int | None, known: Sequence[tuple[str, Samples]]
    ) -> list[Turn]:
        """Turns by start. Raises NobodySpeaks, Unsupported."""
        ...


class _Sound:
    """The samples behind a request."""

    def __init__(self, source: BinaryIO, count: int) -> None:
        self._source, self._left = source, count

    def take(self, count: int) -> Samples:
        """The next ones. Raises EOFError when the parent has gone."""
        self._left -= count
        data = read(self._source, count * BYTES_PER_SAMPLE)
        return np.frombuffer(data, np.int16).astype(np.float32) / np.float32(PCM_FULL_SCALE)

    def blocks(self) -> Iterator[Samples]:
        """All that are left."""
        while self._left:
            yield self.take(min(self._left, BLOCK))


def read(source: BinaryIO, count: int) -> bytes:
    """Exactly so many bytes. Raises EOFError."""
    data = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


def serve(backend: Backend, source: BinaryIO, target: BinaryIO) -> None:
    """Serve requests. Raises EOFError when the parent has closed its end."""
    send(target, {"ready": True})
    while True:
        request = Request(**json.loads(read(source, int.from_bytes(read(source, LENGTH_BYTES), "big"))))
        sound = _Sound(source, request.samples + sum(count for _, count in request.known))
        known = [(name, sound.take(count)) for name, count in request.known]
        try:
            turns = backend.diarize(sound.blocks(), request.least, request.most, known)
            result: dict[str, object] = {"turns": [(turn.start, turn.end, turn.speaker) for turn in turns]}
        except NobodySpeaks as error:
            result = {"error": NOBODY_SPEAKS, "message": str(error)}
        except Unsupported as error:
            result = {"error": UNSUPPORTED, "message": str(error)}
        except EOFError:
            raise
        except Exception as error:  # unforeseen: the parent logs it
            result = {"error": FAILED, "message": repr(error)}
        for _ in sound.blocks():  # what an error left unread
            pass
        send(target, result)


def send(target: BinaryIO, message: object) -> None:
    target.write(framed(message))
    target.flush()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold someone's recording
    kind, location = sys.argv[1:]
    # Libraries print: their lines must not come between the messages.
    target = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        backend: Backend = Pyannote(location) if kind == PYANNOTE else BuiltIn(Models(Path(location)))
    except ModuleNotFoundError as error:
        send(target, {"error": NOT_INSTALLED, "message": str(error.name)})
        return
    except Exception as error:
        send(target, {"error": FAILED, "message": repr(error)})
        return
    with suppress(EOFError, BrokenPipeError):  # the parent has gone
        serve(backend, sys.stdin.buffer, target)
