"""The two models, on onnxruntime with one thread each; where they come from is in endpoint/weights/speakers.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from endpoint.speakers.worker.frames import FRAMES, Flags, Prints, Samples
from endpoint.speakers.worker.mel import Features
from endpoint.speakers.worker.protocol import PRINTS, SEGMENTATION

LOCAL = 3  # speakers that the segmentation model tells apart in one window
PRINT = 192  # numbers of a voice print
# Its classes: nobody, one of three, two of three.
_CLASSES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.bool_)


class Models:
    """Both models, open."""

    def __init__(self, folder: Path) -> None:
        self._segmentation, self._prints = _open(folder / SEGMENTATION), _open(folder / PRINTS)

    def segment(self, windows: Samples) -> Flags:
        """Who speaks when: float32 [n, WINDOW], -1..1 -> bool [n, LOCAL, FRAMES], two at once at most."""
        active = np.zeros((len(windows), LOCAL, FRAMES), np.bool_)
        loud = windows.any(axis=1)
        if loud.any():
            (scores,) = self._segmentation.run(None, {"samples": windows[loud, None]})
            active[loud] = _CLASSES[scores.argmax(axis=2)].transpose(0, 2, 1)
        return active

    def voice_print(self, features: Features) -> Prints:
        """The voice in some frames: float32 [n, MELS], n >= 1 -> float32 [PRINT] of length 1."""
        (found,) = self._prints.run(None, {"features": (features - features.mean(axis=0))[None]})
        return unit(found[0])


def unit(vectors: Prints) -> Prints:
    """[..., n] scaled to length 1; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Prints = vectors / np.maximum(length, 1e-9)
    return scaled


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
