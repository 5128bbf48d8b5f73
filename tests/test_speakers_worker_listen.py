"""Every second of speech of one speaker is printed once, in pieces, however the sound arrives."""

from __future__ import annotations

import numpy as np
import pytest

from endpoint.speakers.worker.frames import FRAMES, HOP, WINDOW, middle
from endpoint.speakers.worker.listen import LONGEST, SHORTEST, STEP, Found, Listener
from endpoint.types import SAMPLE_RATE
from tests.speakers_worker_support import LoudModels, talk


def listened(sound: np.ndarray, block: int = 160_000) -> Found:
    listener = Listener(LoudModels())
    for begin in range(0, len(sound), block):
        listener.feed(sound[begin : begin + block])
    return listener.flush()


@pytest.mark.parametrize("seconds", [0.2, 3.0, 9.99, 10.0, 10.01, 12.4, 12.6, 15.1, 17.5, 31.0, 60.0])
def test_each_frame_is_printed_once(seconds: float) -> None:
    found = listened(talk((seconds, 0.2)))
    frames = np.concatenate([np.zeros(0, np.int64), *(piece.frames for piece in found.pieces)])
    assert len(np.unique(frames)) == len(frames)
    speech = np.arange((len(found.windows) - 1) * STEP + FRAMES)
    speech = speech[middle(speech) <= seconds]
    left_out = np.setdiff1d(speech, frames)
    assert len(left_out) < SHORTEST
    assert all(SHORTEST <= len(piece.frames) <= LONGEST for piece in found.pieces)


def test_blocks_make_no_difference() -> None:
    sound = talk((4, 0.1), (0.5, 0.0), (6, 0.2), (3, 0.1), (2, 0.3), (9, 0.4))
    whole, parts = listened(sound, len(sound)), listened(sound, 12_345)
    assert len(whole.pieces) == len(parts.pieces)
    for one, other in zip(whole.pieces, parts.pieces, strict=True):
        assert np.array_equal(one.frames, other.frames)
        assert np.allclose(one.voice, other.voice)


def test_windows_are_some_seconds_apart() -> None:
    assert pytest.approx(3.34, abs=0.01) == STEP * HOP / SAMPLE_RATE
    assert len(listened(talk((10, 0.2))).windows) == 1
    assert len(listened(talk((30, 0.2))).windows) == 7
    assert len(listened(talk((30.1, 0.2))).windows) == 8
    assert WINDOW == 10 * SAMPLE_RATE


def test_pieces_end_where_the_speaker_pauses() -> None:
    found = listened(talk((0.5, 0.0), (1.5, 0.1), (0.4, 0.0), (1.2, 0.1), (0.4, 0.0), (5.5, 0.0)))
    spans = [(round(middle(p.frames)[0], 1), round(middle(p.frames)[-1], 1)) for p in found.pieces]
    assert spans == [(0.5, 2.0), (2.4, 3.6)]


def test_two_at_once_give_no_print() -> None:
    found = listened(talk((2, 0.1), (3, 0.3), (2, 0.2)))
    times = np.concatenate([middle(piece.frames) for piece in found.pieces])
    assert not ((times > 2.05) & (times < 4.95)).any()
    assert found.windows[0].sum(axis=0).max() == 2


def test_no_sound() -> None:
    assert listened(np.zeros(0, np.float32)) == Found()
    found = listened(np.zeros(SAMPLE_RATE, np.float32))
    assert found.pieces == []
    assert not found.windows[0].any()
