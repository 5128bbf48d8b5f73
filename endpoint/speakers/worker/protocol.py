"""Messages between the server and a diarization process, over its standard input and output.

A message is a length of 4 bytes, and JSON. The process first sends {"ready": true}, or an error. A request has the
fields of Request; behind it come its samples, int16: those of each known speaker, then those of the recording. The
result is {"turns": [[start, end, speaker], ...]}, an error {"error": kind, "message": text}.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

LENGTH_BYTES = 4
BYTES_PER_SAMPLE = np.dtype(np.int16).itemsize

SEGMENTATION, PRINTS = "segmentation.onnx", "voice_prints.onnx"  # files of the built-in models
BUILT_IN, PYANNOTE = "built-in", "pyannote"  # what finds speakers
NOBODY_SPEAKS, UNSUPPORTED, NOT_INSTALLED, FAILED = "nobody_speaks", "unsupported", "not_installed", "failed"


@dataclass(frozen=True)
class Request:
    """samples: of the recording. known: name and number of samples of each known speaker.

    least, most: how many speakers there may be; None: no bound.
    """

    samples: int
    known: tuple[tuple[str, int], ...] = ()
    least: int | None = None
    most: int | None = None

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def framed(message: object) -> bytes:
    data = json.dumps(message).encode()
    return len(data).to_bytes(LENGTH_BYTES, "big") + data
