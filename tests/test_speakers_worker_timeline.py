"""Windows and speakers to stretches of speech."""

from __future__ import annotations

import numpy as np

from endpoint.speakers.worker.frames import FRAMES
from endpoint.speakers.worker.listen import Found, Listener, Piece
from endpoint.speakers.worker.locals import parts
from endpoint.speakers.worker.models import LOCAL
from endpoint.speakers.worker.timeline import stretches
from tests.speakers_worker_support import VOICES, LoudModels, talk


def lines(*sound: tuple[float, float], speakers: tuple[int, ...] = (0, 1, 2)) -> list[tuple[float, float, int]]:
    listener = Listener(LoudModels())
    listener.feed(talk(*sound))
    found = listener.flush()
    made = stretches(found, parts(found), VOICES[list(speakers)])
    return [(round(one.start, 1), round(one.end, 1), one.speaker) for one in made]


def test_turns_follow_one_another() -> None:
    assert lines((3, 0.1), (4, 0.2), (1, 0.0), (5, 0.1)) == [(0.0, 3.0, 0), (3.0, 7.0, 1), (8.0, 13.0, 0)]


def test_numbers_of_a_window_mean_nothing_outside_of_it() -> None:
    assert lines((12, 0.4), (12, 0.1), (12, 0.2)) == [(0.0, 12.0, 2), (12.0, 24.0, 0), (24.0, 36.0, 1)]


def test_two_at_once_are_two_turns() -> None:
    assert lines((4, 0.1), (2, 0.3), (4, 0.2)) == [(0.0, 6.0, 0), (4.0, 10.0, 1)]


def test_short_pauses_are_filled_and_blips_dropped() -> None:
    assert lines((2, 0.1), (0.2, 0.0), (2, 0.1), (1, 0.0), (0.05, 0.2), (3, 0.0)) == [(0.0, 4.2, 0)]


def test_two_at_once_have_two_names_where_voices_are_alike() -> None:
    assert {speaker for _, _, speaker in lines((4, 0.1), (2, 0.3), (4, 0.2), speakers=(0, 2))} == {0, 1}


def test_speech_without_a_voice_print_gets_a_speaker() -> None:
    assert lines((0.2, 0.1), (3, 0.0)) == [(0.0, 0.2, 0)]


def test_a_piece_is_of_who_speaks_in_most_of_it() -> None:
    active = np.zeros((LOCAL, FRAMES), np.bool_)
    active[0, :100] = active[1, 100:200] = True
    pieces = [Piece(np.arange(50, 120), VOICES[0]), Piece(np.arange(120, 190), VOICES[1])]
    (rows,) = parts(Found([active], pieces))
    assert [[part.piece for part in row] for row in rows] == [[0], [1], []]
