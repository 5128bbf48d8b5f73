"""Decoded sound as bytes, for the way from the task that decodes to the actor with the engine; and back, not copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from endpoint.audio.decode import WHOLE
from endpoint.audio.worker.protocol import BYTES_PER_SAMPLE, Selection
from endpoint.errors import InvalidRequest
from endpoint.memfile import MemoryFile
from endpoint.types import Audio, Notice

_HEAD_BYTES = 8  # the length of the report, before it
_ALIGNED = 64  # samples begin at a multiple of so many bytes


def pack(audio: Audio) -> bytes:
    """The report as JSON, then the samples, then the speech, which was detected."""
    assert audio.speech is not None
    report = {
        "samples": len(audio.samples),
        "unreadable": audio.unreadable,
        "notices": [asdict(notice) for notice in audio.notices],
        "seconds": (audio.decode_seconds, audio.vad_seconds),
    }
    head = json.dumps(report).encode()
    head += b" " * (-(len(head) + _HEAD_BYTES) % _ALIGNED)
    return b"".join([len(head).to_bytes(_HEAD_BYTES, "little"), head, audio.samples.data, audio.speech.data])


def unpack(data: bytes) -> Audio:
    """Views into `data`. Raises ValueError for what `pack` did not make."""
    begin = _HEAD_BYTES + int.from_bytes(data[:_HEAD_BYTES], "little")
    report = json.loads(bytes(data[_HEAD_BYTES:begin]))
    samples = np.frombuffer(data, np.int16, report["samples"], begin)
    speech = np.frombuffer(data, np.uint8, offset=begin + len(samples) * BYTES_PER_SAMPLE)
    unreadable = tuple((first, last) for first, last in report["unreadable"])
    return Audio(samples, speech, unreadable, tuple(Notice(**one) for one in report["notices"]), *report["seconds"])


class PackedSound:
    """In the place of the Decoder in a Pipeline whose files were decoded before."""

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to close."""

    async def decode(
        self,
        data: bytes | MemoryFile,
        vad: bool = False,
        begun: Callable[[Audio], object] | None = None,
        selection: Selection = WHOLE,
    ) -> Audio:
        """The sound in `data`, where only what was selected is; `begun` is not called."""
        assert isinstance(data, bytes)
        return unpack(data)

    async def decode_channels(self, data: bytes | MemoryFile, selection: Selection = WHOLE) -> tuple[Audio, ...]:
        """Raises InvalidRequest: channels were mixed when the files were decoded."""
        raise InvalidRequest("multichannel: endpoint batch mixes the channels of a recording", param="multichannel")
