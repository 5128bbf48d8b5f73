"""Samples by their number in the stream."""

from __future__ import annotations

import numpy as np

from endpoint.live.buffer import SampleBuffer


def test_samples_are_found_by_their_number():
    buffer = SampleBuffer()
    buffer.append(np.arange(10, dtype=np.int16))
    buffer.append(np.arange(10, 20, dtype=np.int16))
    assert (buffer.start, buffer.end) == (0, 20)
    assert buffer.cut(8, 12).tolist() == [8, 9, 10, 11]
    buffer.forget(15)
    buffer.forget(3)
    assert (buffer.start, buffer.end) == (15, 20)
    assert buffer.cut(0, 18).tolist() == [15, 16, 17]
    assert buffer.cut(18, 99).tolist() == [18, 19]
    buffer.forget(99)
    assert (buffer.start, buffer.end) == (20, 20)


def test_what_was_cut_is_a_copy():
    buffer = SampleBuffer()
    buffer.append(np.ones(4, np.int16))
    taken = buffer.cut(0, 4)
    buffer.append(np.zeros(4, np.int16))
    buffer.forget(4)
    assert taken.tolist() == [1, 1, 1, 1]
