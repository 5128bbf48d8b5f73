"""Samples -> probability of speech, by Silero VAD (MIT, see silero_vad.LICENSE). Feed and flush; no I/O, no clock.

The model reads frames of 512 samples, each after the last 64 samples of the frame before, and carries an LSTM's state.
The file takes any number of frames in one call, and gives what Silero's own gives; benchmarks/vad_graph.py makes it.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from endpoint.types import PCM_FULL_SCALE, SPEECH_CERTAIN, SPEECH_FRAME, Samples

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL = Path(__file__).parent / "silero_vad_16k.onnx"
CONTEXT = 64  # samples of the frame before that a frame begins with
STATE = (1, 1, 128)
MOST_FRAMES = 128  # of one call: 4 s of sound; more are slower (their numbers leave the core's cache)

Probabilities = npt.NDArray[np.float32]


@cache
def load() -> InferenceSession:
    """The model, loaded once a process; one thread, as there is a decoding process for every core."""
    # onnxruntime's official Linux builds report to Microsoft unless this is set before the first import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


class VoiceActivity:
    """Probability of speech in each frame of one stream; the same for any split of its samples into blocks."""

    def __init__(self) -> None:
        self._session = load()
        self._hidden, self._cell = np.zeros(STATE, np.float32), np.zeros(STATE, np.float32)
        self._rest = np.zeros(CONTEXT, np.float32)  # context of the next frame, and its samples so far

    def feed(self, samples: Samples | npt.NDArray[np.float32]) -> Probabilities:
        """Probabilities, float32 [m] in 0..1, of the frames that `samples` complete.

        samples: int16 [n], or float32 in the same range, 16 kHz, mono, n >= 0, following those fed before.
        """
        sound = np.concatenate([self._rest, samples.astype(np.float32) / PCM_FULL_SCALE])
        count = (len(sound) - CONTEXT) // SPEECH_FRAME
        self._rest = sound[count * SPEECH_FRAME :]
        if not count:
            return np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + SPEECH_FRAME)[::SPEECH_FRAME][:count]
        return np.concatenate([self._run(frames[k : k + MOST_FRAMES]) for k in range(0, count, MOST_FRAMES)])

    def flush(self) -> Probabilities:
        """The probability, float32 [0 or 1], of a last frame cut short, as if silence followed; then begin anew."""
        missing = -(len(self._rest) - CONTEXT) % SPEECH_FRAME
        last = self.feed(np.zeros(missing, np.int16))
        self._hidden, self._cell = np.zeros(STATE, np.float32), np.zeros(STATE, np.float32)
        self._rest = np.zeros(CONTEXT, np.float32)
        return last

    def _run(self, frames: npt.NDArray[np.float32]) -> Probabilities:
        """float32 [m, CONTEXT + SPEECH_FRAME] -> [m]."""
        given = {"input": np.ascontiguousarray(frames), "h": self._hidden, "c": self._cell}
        speech, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], given)
        return np.asarray(speech, np.float32)


def quantised(probabilities: Probabilities) -> npt.NDArray[np.uint8]:
    """Probabilities, 0..1, in steps of 1/255: a byte a frame travels between processes."""
    return np.rint(probabilities * SPEECH_CERTAIN).astype(np.uint8)
