"""The warping finds the path of the greatest sum: held against trying every path."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="it comes with vLLM")
from endpoint.engine.time_warping import first_frames


def every_path(n: int, m: int):
    """All ways from (0, 0) to (n - 1, m - 1) by steps right, down or both."""
    if (n, m) == (1, 1):
        yield [(0, 0)]
        return
    for i, j in ((n - 1, m), (n, m - 1), (n - 1, m - 1)):
        if i and j:
            for path in every_path(i, j):
                yield [*path, (n - 1, m - 1)]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10_000))
def test_the_path_has_the_greatest_sum(n: int, m: int, seed: int) -> None:
    gain = np.random.default_rng(seed).standard_normal((n, m)).astype(np.float32)
    best = max(every_path(n, m), key=lambda path: sum(gain[place] for place in path))
    wanted = [min(j for i, j in best if i == row) for row in range(n)]
    assert first_frames(gain).tolist() == wanted


def test_blocks_are_found_at_their_edges() -> None:
    edges = [0, 7, 30, 31, 80]
    gain = np.full((4, 80), -1, np.float32)
    for row, (start, end) in enumerate(pairwise(edges)):
        gain[row, start:end] = 1
    assert first_frames(gain).tolist() == edges[:-1]


@pytest.mark.parametrize("shape", list(combinations((1, 3, 200), 2)))
def test_frames_rise_and_stay_inside(shape: tuple[int, int]) -> None:
    first = first_frames(np.random.default_rng(0).random(shape, np.float32))
    assert first[0] == 0
    assert (np.diff(first) >= 0).all()
    assert first[-1] < shape[1]
