"""The time line of the segmentation model: frames of 270 samples.

pyannote's segmentation-3.0 sees windows of 10 s. Frame k of a window is made from its samples HOP * k up to
HOP * k + FIELD. Windows begin a whole number of frames apart, so that their frames fall together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from endpoint.types import SAMPLE_RATE

WINDOW = 10 * SAMPLE_RATE  # samples
HOP = 270  # samples between two frames
FIELD = 991  # samples that a frame is made from
FRAMES = 589  # of a window
FRAME_SECONDS = HOP / SAMPLE_RATE

Flags = npt.NDArray[np.bool_]
Samples = npt.NDArray[np.float32]  # -1 to 1
Prints = npt.NDArray[np.float32]


def middle(frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The seconds at which frames, counted from the start of the recording, have their middle."""
    return (frames * HOP + FIELD / 2) / SAMPLE_RATE
