"""Workloads: how long, in which languages, of which words; the same each time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from demo_model.vocabulary import WORDS
from endpoint.bench.recordings import LANGUAGES, WORKLOADS, Recording, Workload, make


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name != "long"])
def test_recordings_are_as_long_as_the_workload_says(name: str) -> None:
    workload = WORKLOADS[name]
    made = make(workload)
    least, most = workload.seconds
    assert len(made) == workload.count
    assert all(least - 0.01 <= item.seconds <= most for item in made)
    assert max(item.seconds for item in made) - min(item.seconds for item in made) > (most - least) / 3
    assert all(item.windows == 1 for item in made)
    assert set(Counter(item.language for item in made).values()) == {workload.count // len(LANGUAGES)}


def test_a_long_recording_fills_twenty_windows() -> None:
    (item,) = make(Workload("long", WORKLOADS["long"].seconds, 1))
    assert 600 <= item.seconds <= 602
    assert item.windows == 21
    assert len((item.text or "").split()) > 800


def test_words_are_those_of_the_language_and_are_audible() -> None:
    for item in make(Workload("some", (5, 25), 8)):
        words = (item.text or "").split()
        assert set(words) <= set(WORDS[item.language])
        assert len(words) == pytest.approx(item.seconds * 1.7, abs=12)
        quiet = np.abs(item.samples[:4000]).max()
        assert np.abs(item.samples).max() > 4 * quiet + 4_000


def test_the_same_seed_gives_the_same_sound_and_another_one_other_sound() -> None:
    def sound(*arguments: object) -> list[bytes]:
        return [item.samples.tobytes() for item in make(Workload("two", (2, 8), 2), *arguments)]  # type: ignore[arg-type]

    assert sound() == sound()
    assert sound(LANGUAGES, 1) != sound(LANGUAGES, 2)


def test_languages_can_be_chosen() -> None:
    assert {item.language for item in make(WORKLOADS["short"], ["fr"])} == {"fr"}


def test_a_window_is_thirty_seconds() -> None:
    def windows(seconds: float) -> int:
        return Recording("en", None, np.zeros(int(seconds * 16_000), np.int16)).windows

    assert [windows(seconds) for seconds in (0.1, 30, 30.01, 600)] == [1, 1, 2, 20]
