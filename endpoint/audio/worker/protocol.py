"""Messages between the server and its decoding processes: requests, responses, limits, sizes.

Over a SOCK_SEQPACKET socket. A request is DECODE, DECODE_WITH_SPEECH or DECODE_WITH_BEGINNING, followed by a Selection
as JSON, and two memory files: the upload, which is used up, and an empty one. Into that one go the samples, then the
probabilities of speech, then the report on the file, as JSON; where channels are kept, the samples of all, one channel
behind the other, and then their probabilities. The response is JSON: {"samples", "frames", "report"}, the first two of
each channel, the last in bytes, or the error {"type", "code", "message", "param"}. After DECODE_WITH_BEGINNING another
may come first: {"beginning": frames, "of": samples}, once the beginning was judged; not where channels are kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from endpoint.errors import TooLarge

DECODE, DECODE_WITH_SPEECH, DECODE_WITH_BEGINNING = b"d", b"s", b"b"
MESSAGE_BYTES = 256  # of a request: one of these, and a Selection
BYTES_PER_SAMPLE = np.dtype(np.int16).itemsize


@dataclass(frozen=True)
class Selection:
    """What is decoded of a file. track: which audio stream, counted from 0; None: the one a player plays.

    start_ms, end_ms: of the file, what lies outside is thrown away; None: to the end. channels: each by itself; else
    they are mixed.
    """

    track: int | None = None
    start_ms: int = 0
    end_ms: int | None = None
    channels: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def whole(self) -> bool:
        return not self.start_ms and self.end_ms is None


@dataclass(frozen=True)
class Limits:
    """What one file may take.

    max_seconds: longest recording; max_channels: of the source; cpu_seconds: processor time;
    memory_bytes: address space beside the upload, of which the interpreter and FFmpeg take 0.25 GiB.
    """

    max_seconds: int
    max_channels: int
    cpu_seconds: float
    memory_bytes: int = 2 << 30

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def too_many(self, channels: int) -> TooLarge:
        """Channels that are kept: each counts as a recording of its own."""
        return TooLarge(
            f"The {channels} channels of the recording are together longer than {self.max_seconds} s. Split it, send "
            "it without `multichannel`, or raise MAX_AUDIO_SECONDS on the server.",
            code="audio_too_long",
        )

    def too_long(self) -> TooLarge:
        return TooLarge(
            f"The recording is longer than {self.max_seconds} s. Split it, or raise MAX_AUDIO_SECONDS on the server.",
            code="audio_too_long",
        )
