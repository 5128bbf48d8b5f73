"""Dynamic time warping, compiled: which frame each token begins at. The reference's (openai/whisper timing.py)."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

_BOTH, _ROW, _COLUMN = 0, 1, 2  # which of token and frame a step advances


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _steps(gain: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """int8 [n + 1, m + 1]: the last step of the best path to each place. A tie goes along the frames."""
    n, m = gain.shape
    cost = np.full((n + 1, m + 1), np.inf, np.float32)
    steps = np.full((n + 1, m + 1), _COLUMN, np.int8)
    steps[1:, 0] = _ROW
    cost[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            both, row, column = cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]
            least = column
            if both < row and both < column:
                least = both
                steps[i, j] = _BOTH
            elif row < both and row < column:
                least = row
                steps[i, j] = _ROW
            cost[i, j] = least - gain[i - 1, j - 1]
    return steps


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _walk(steps: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    i, j = steps.shape[0] - 1, steps.shape[1] - 1
    first = np.zeros(i, np.int64)
    while i > 0 or j > 0:
        if i > 0:
            first[i - 1] = max(j - 1, 0)
        step = steps[i, j]
        if step != _COLUMN:
            i -= 1
        if step != _ROW:
            j -= 1
    return first


def first_frames(gain: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """int64 [n], rising: the frame that each of n tokens begins at, on the path of the greatest sum.

    gain: float32 [n, m], how well token and frame fit. Runs without the GIL; compiles at its first call (seconds).
    """
    first: npt.NDArray[np.int64] = _walk(_steps(np.ascontiguousarray(gain, np.float32)))
    return first
