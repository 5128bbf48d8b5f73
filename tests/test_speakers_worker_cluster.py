"""Pieces to speakers: how many there are, what is asked for, and a cost that is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from endpoint.speakers.worker import cluster
from endpoint.speakers.worker.cluster import Bounds, find_speakers
from endpoint.speakers.worker.frames import FRAMES
from endpoint.speakers.worker.listen import STEP, Found, Piece
from endpoint.speakers.worker.locals import parts
from endpoint.speakers.worker.models import LOCAL, PRINT, unit
from tests.speakers_worker_support import VOICES


def recording(*voices: int, noise: float = 0.35, frames: int = 120, seed: int = 0) -> Found:
    """A piece of 2 s for each of `voices`, one after the other, as one print differs from another of the same voice."""
    rng, pieces = np.random.default_rng(seed), []
    for number, voice in enumerate(voices):
        own = VOICES[voice] + noise * unit(rng.standard_normal(PRINT).astype(np.float32))
        pieces.append(Piece(np.arange(number * frames, (number + 1) * frames), unit(own.astype(np.float32))))
    count = max(1, -(-len(voices) * frames // STEP) - 2)
    return Found([np.zeros((LOCAL, FRAMES), np.bool_) for _ in range(count)], pieces)


def found(recording: Found, least: int = 1, most: int = 1_000) -> np.ndarray:
    return find_speakers(recording, parts(recording), Bounds(least, most))


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_voices_are_counted(count: int) -> None:
    speakers = found(recording(*[number % count for number in range(40)]))
    assert speakers.shape == (count, PRINT)
    assert np.allclose(np.linalg.norm(speakers, axis=1), 1, atol=1e-5)
    assert sorted((speakers @ VOICES[:count].T).argmax(axis=1)) == list(range(count))


def test_who_speaks_most_comes_first() -> None:
    speakers = found(recording(*[0] * 5, *[1] * 20, *[2] * 10))
    assert (speakers @ VOICES[:3].T).argmax(axis=1).tolist() == [1, 2, 0]


def test_a_number_is_obeyed() -> None:
    three = recording(*[0, 1, 2] * 12)
    assert len(found(three, 2, 2)) == 2
    assert len(found(three, 3, 3)) == 3
    assert len(found(three, 1, 1)) == 1


def test_voices_nearer_than_most_are_split_where_more_are_asked_for() -> None:
    four = recording(*[0, 1, 2, 3] * 10, noise=0.2)
    alike = unit((VOICES[2] + 0.75 * VOICES[3]).astype(np.float32))
    for piece in four.pieces[3::4]:
        piece.voice[:] = unit(0.8 * alike + 0.2 * piece.voice)
    assert len(found(four)) == 3
    assert len(found(four, 4, 4)) == 4


def test_one_exact_voice_cannot_be_two() -> None:
    assert len(found(recording(*[0] * 30, noise=0.0), 2, 2)) == 1


def test_some_seconds_of_speech_make_a_speaker() -> None:
    speakers = found(recording(*[0] * 400, 1, *[0] * 100))  # 2 of 1,000 s
    assert len(speakers) == 1


def test_nobody_and_nobody_known() -> None:
    silent = Found([np.zeros((LOCAL, FRAMES), np.bool_)], [])
    assert found(silent).shape == (0, PRINT)
    short = Found([np.zeros((LOCAL, FRAMES), np.bool_)], [])
    short.windows[0][0, :5] = True
    assert found(short).shape == (1, PRINT)
    assert not found(short).any()


def test_what_speaks_beside_it_is_somebody_else() -> None:
    """Voices that are taken for one, unless the windows say that they are two."""
    alike = unit((VOICES[0] + 1.2 * VOICES[1]).astype(np.float32))
    pieces = [Piece(np.arange(k * 60, k * 60 + 60), alike if k % 2 else VOICES[0]) for k in range(9)]
    active = np.zeros((LOCAL, FRAMES), np.bool_)
    for number, piece in enumerate(pieces):
        active[number % 2, piece.frames] = True
    assert len(found(Found([active], pieces))) == 2
    assert len(found(Found([np.zeros_like(active)], pieces))) == 1


def test_long_recordings_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "MOST_PIECES", 100)
    sizes = []
    real = cluster.linkage
    monkeypatch.setattr(cluster, "linkage", lambda upper, kind: sizes.append(len(upper)) or real(upper, kind))
    speakers = found(recording(*[number % 3 for number in range(1_000)]))
    assert len(speakers) == 3
    assert sizes[0] <= 100 * 99 / 2
