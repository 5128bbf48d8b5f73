"""The values of diarization."""

from __future__ import annotations

from endpoint.speakers.turns import Diarization, Turn


def test_found_counts_speakers_not_turns() -> None:
    turns = (Turn(0.0, 1.0, "A"), Turn(0.5, 2.0, "B"), Turn(3.0, 4.0, "A"))
    assert Diarization(turns, asked=3).found == 2
    assert Diarization(()).found == 0
