"""Windows as the sound arrives: endpoint.core.windows. (With the core: test_core_pipeline_stream.)"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from endpoint.core.windows import WindowPlanner
from endpoint.options import Options, VadOptions
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Audio, Window

LONGEST = 5 * SAMPLE_RATE


def audio(*seconds_on_and_off: float) -> Audio:
    speech = list[int]()
    for k, seconds in enumerate(seconds_on_and_off):
        speech += [0 if k % 2 else 255] * round(seconds * SAMPLE_RATE / SPEECH_FRAME)
    return Audio(np.zeros(len(speech) * SPEECH_FRAME, np.int16), np.array(speech, np.uint8))


def part(whole: Audio, share: float) -> Audio:
    assert whole.speech is not None
    frames = int(len(whole.speech) * share)
    return Audio(whole.samples[: frames * SPEECH_FRAME], whole.speech[:frames])


TALK = audio(*[3.0, 0.8] * 12)


def starts(windows: list[Window]) -> list[int]:
    return [window.start for window in windows]


@pytest.mark.parametrize("shares", [(), (0.3,), (0.2, 0.5, 0.9), (0.1, 0.1, 0.1)])
def test_all_speech_is_in_a_window_once_however_the_sound_arrives(shares: tuple[float, ...]) -> None:
    planner = WindowPlanner(Options(), LONGEST)
    windows = [window for share in shares for window in planner.feed(part(TALK, share))]
    windows += planner.flush(TALK)
    assert [span for window in windows for span in window.speech] == list(planner.speech)
    assert starts(windows) == sorted(starts(windows))
    for before, after in pairwise(windows):  # nor is a pause in two of them
        assert before.start + len(before.samples) <= after.start


def test_the_last_speech_may_go_on_so_it_is_left_for_later() -> None:
    planner = WindowPlanner(Options(), LONGEST)
    assert planner.feed(audio(3.0)) == []
    assert planner.feed(audio(3.0, 0.8)) == []
    (window,) = planner.feed(audio(3.0, 0.8, 1.0))
    assert len(window.speech) == 1
    assert planner.feed(audio(3.0, 0.8, 1.0)) == []


@pytest.mark.parametrize(
    "options", [Options(vad=None), Options(multilingual=True), Options(condition_on_previous_text=True)]
)
def test_nothing_goes_first_where_windows_depend_on_the_whole(options: Options) -> None:
    planner = WindowPlanner(options, LONGEST)
    assert planner.feed(part(TALK, 0.5)) == []
    assert planner.flush(TALK)


def test_without_voice_activity_windows_cover_everything_and_speech_counts_all_the_same() -> None:
    planner = WindowPlanner(Options(vad=None), LONGEST)
    windows = planner.flush(TALK)
    assert sum(len(window.samples) for window in windows) == len(TALK.samples)
    assert len(planner.speech) == 12


def test_the_numbers_of_the_caller_count() -> None:
    planner = WindowPlanner(Options(vad=VadOptions(silence_duration_ms=2000)), 30 * SAMPLE_RATE)
    planner.flush(audio(3.0, 0.8, 3.0))
    assert len(planner.speech) == 1
