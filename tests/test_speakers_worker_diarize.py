"""From samples to turns with labels, by models made up; by the real ones where they were fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from endpoint.config import load_settings
from endpoint.errors import ConfigError
from endpoint.speakers.turns import Turn
from endpoint.speakers.worker.diarize import BuiltIn, NobodySpeaks, labelled, letters, named
from endpoint.speakers.worker.models import Models, unit
from endpoint.speakers.worker.timeline import Stretch
from endpoint.weights.speakers import speaker_models
from tests.speakers_worker_support import VOICES, LoudModels, talk

RECORDINGS = Path(__file__).parents[1] / "endpoint" / "demo" / "recordings"
TALK = talk((5, 0.4), (6, 0.1), (5, 0.4), (6, 0.2))


def turns(least: int | None = None, most: int | None = None, **known: np.ndarray) -> list[tuple[float, float, str]]:
    found = BuiltIn(LoudModels()).diarize([TALK], least, most, list(known.items()))
    return [(round(turn.start, 1), round(turn.end, 1), turn.speaker) for turn in found]


def test_labels_are_in_order_of_first_speech() -> None:
    assert turns() == [(0.0, 5.0, "A"), (5.0, 11.0, "B"), (11.0, 16.0, "A"), (16.0, 22.0, "C")]


def test_known_speakers_have_their_names_and_the_others_letters() -> None:
    ann, nobody = talk((3, 0.1)), talk((3, 0.2))
    assert turns(Ann=ann) == [(0.0, 5.0, "A"), (5.0, 11.0, "Ann"), (11.0, 16.0, "A"), (16.0, 22.0, "B")]
    assert turns(A=ann, C=nobody) == [(0.0, 5.0, "B"), (5.0, 11.0, "A"), (11.0, 16.0, "B"), (16.0, 22.0, "C")]


def test_a_reference_without_speech_is_refused() -> None:
    with pytest.raises(NobodySpeaks, match="Ann"):
        turns(Ann=talk((3, 0.0)))


def test_a_number_is_obeyed() -> None:
    assert len({speaker for _, _, speaker in turns(2, 2)}) == 2
    assert len({speaker for _, _, speaker in turns(1, 1)}) == 1


def test_names_go_one_to_one_and_only_to_like_voices() -> None:
    speakers = VOICES[:3]
    like = unit(VOICES[0] + 0.5 * VOICES[1])
    assert named(speakers, [("Ann", VOICES[0]), ("Bob", like)]) == {0: "Ann"}
    assert named(speakers, [("Bob", like)]) == {0: "Bob"}
    assert named(speakers, [("Eve", VOICES[9])]) == {}
    assert named(speakers[:0], [("Eve", VOICES[9])]) == named(speakers, []) == {}


def test_letters_go_on_after_z() -> None:
    assert [letters(number) for number in (0, 25, 26, 27, 51, 52, 701, 702)] == [
        "A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA",
    ]  # fmt: skip


def test_labelled() -> None:
    found = [Stretch(0, 1, 4), Stretch(1, 2, 0), Stretch(2, 3, 4)]
    assert labelled(found, {0: "A"}) == [Turn(0, 1, "B"), Turn(1, 2, "A"), Turn(2, 3, "B")]
    assert labelled([], {}) == []


@pytest.fixture(scope="module")
def real() -> BuiltIn:
    try:
        return BuiltIn(Models(speaker_models(load_settings().model_folder)))
    except ConfigError as error:
        pytest.skip(error.message)


def test_people_are_kept_apart(real: BuiltIn) -> None:
    one, other = recording("LJ001-0001.flac"), recording("jfk.flac")
    pause = np.zeros(8_000, np.float32)
    found = real.diarize([np.concatenate([one, pause, other, pause, one])], None, None, [("Linda", one)])
    assert [turn.speaker for turn in found][:1] == ["Linda"]
    assert {turn.speaker for turn in found} == {"Linda", "A"}
    switch = (len(one) + 4_000) / 16_000
    assert all((turn.speaker == "Linda") == (turn.end < switch or turn.start > 2 * switch) for turn in found)


def test_one_person_is_one(real: BuiltIn) -> None:
    clips = [recording(f"LJ001-000{number}.flac") for number in (1, 3, 5, 7)]
    found = real.diarize(clips, 2, 2, [])
    assert {turn.speaker for turn in found} == {"A"}


def recording(name: str) -> np.ndarray:
    from librosa import load

    return load(RECORDINGS / name, sr=16_000)[0]
