"""Turns: the same samples give the same ones, however they were split."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.audio.vad import VoiceActivity
from endpoint.bench.containers import decode as load
from endpoint.live import session as module
from endpoint.live.session import (
    Session,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    Turn,
    TurnDetection,
    TurnEnded,
)
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME
from tests.live_support import session, sound, split

TALK = Path(__file__).parent / "audio" / "talk.ogg"
MS = SAMPLE_RATE // 1000
FAST = TurnDetection(silence_duration_ms=150)  # several turns in one talk


def plain(events):
    """Events as values that can be compared."""
    return [
        (type(event).__name__, _turn(event.turn)) if hasattr(event, "turn") else (type(event).__name__, event)
        for event in events
    ]


def _turn(turn: Turn):
    return turn.number, turn.start, turn.end, turn.samples.tobytes()


def run(made: Session, parts) -> list:
    events = []
    for part in parts:
        events += made.feed(part)
    return events + made.flush()


def test_a_turn_has_its_padding_and_its_pause():
    events = run(session(), [sound(1, 2, 2)])
    started, paused, stopped, ended = events
    assert isinstance(started, SpeechStarted)
    assert isinstance(paused, SpeechPaused)
    assert isinstance(stopped, SpeechStopped)
    assert isinstance(ended, TurnEnded)
    assert abs(started.start - 700 * MS) <= SPEECH_FRAME
    assert abs(stopped.end - 3200 * MS) <= SPEECH_FRAME
    assert (ended.turn.start, ended.turn.end) == (started.start, stopped.end)
    assert len(ended.turn.samples) == stopped.end - started.start
    assert (paused.turn.start, paused.turn.end) == (ended.turn.start, ended.turn.end)  # its text can be made ahead
    assert ended.turn.number == started.number == 0


def test_a_short_pause_does_not_end_a_turn():
    events = run(session(), [sound(0.5, 1, 0.4, 1, 1)])
    assert [type(event) for event in events] == [
        SpeechStarted, SpeechPaused, SpeechResumed, SpeechPaused, SpeechStopped, TurnEnded
    ]  # fmt: skip


def test_turns_do_not_overlap_and_padding_stays_after_the_turn_before():
    turns = [e.turn for e in run(session(), [sound(1, 1, 0.6, 1, 0.6, 1, 2)]) if isinstance(e, TurnEnded)]
    assert [turn.number for turn in turns] == [0, 1, 2]
    assert all(a.end <= b.start for a, b in itertools.pairwise(turns))


def test_a_click_is_no_speech():
    assert run(session(), [sound(1, 0.02, 2)]) == []


def test_silence_gives_nothing_and_is_forgotten(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 2 * SAMPLE_RATE)
    made = session()
    assert made.feed(sound(10)) == []
    assert made.uncommitted == 2 * SAMPLE_RATE


def test_silence_duration_and_padding_are_the_clients():
    events = run(session(TurnDetection(0.5, 0, 100)), [sound(1, 1, 0.2, 1, 0.2)])
    turns = [event.turn for event in events if isinstance(event, TurnEnded)]
    assert len(turns) == 2
    assert abs(turns[0].start - SAMPLE_RATE) <= SPEECH_FRAME
    assert abs(turns[0].end - 2100 * MS) <= SPEECH_FRAME


def test_without_detection_a_commit_ends_the_turn():
    made = session(None)
    assert made.feed(sound(1, 1, 2)) == []
    assert made.open is not None
    assert (made.open.start, made.uncommitted) == (0, 4 * SAMPLE_RATE)
    assert abs(made.open.speech - 700 * MS) <= SPEECH_FRAME  # text is looked for from there
    (ended,) = made.commit()
    assert len(ended.turn.samples) == 4 * SAMPLE_RATE
    assert made.commit() == []
    made.feed(sound(0.5))
    (ended,) = made.commit()
    assert (ended.turn.start, ended.turn.end) == (4 * SAMPLE_RATE, round(4.5 * SAMPLE_RATE))


def test_a_commit_ends_a_detected_turn_too():
    made = session()
    made.feed(sound(1, 1))
    (ended,) = made.commit()
    assert ended.turn.end == 2 * SAMPLE_RATE
    more = made.feed(sound(0, 1, 1))  # speech went on: the next turn begins where this one ended
    assert isinstance(more[0], SpeechStarted)
    assert more[0].start == ended.turn.end


def test_clear_forgets_what_is_uncommitted():
    made = session()
    made.feed(sound(1, 1))
    made.clear()
    assert (made.open, made.uncommitted) == (None, 0)
    events = made.feed(sound(0, 0.5, 1))
    assert isinstance(events[0], SpeechStarted)
    assert events[0].start >= 2 * SAMPLE_RATE
    assert events[0].number == 1


@pytest.mark.parametrize("detection", [TurnDetection(), None])
def test_a_turn_is_ended_before_it_is_too_long(monkeypatch, detection):
    monkeypatch.setattr(module, "LONGEST_TURN", 4 * SAMPLE_RATE)
    turns = [e.turn for e in run(session(detection), [sound(0, 10)]) if isinstance(e, TurnEnded)]
    assert [turn.start for turn in turns[1:]] == [turn.end for turn in turns[:-1]]
    assert sum(len(turn.samples) for turn in turns) == 10 * SAMPLE_RATE


def test_detection_can_be_changed_in_between():
    made = session()
    made.feed(sound(1, 1))
    made.configure(None)
    assert made.feed(sound(3)) == []
    (ended,) = made.commit()
    assert abs(ended.turn.start - 700 * MS) <= SPEECH_FRAME
    made.configure(TurnDetection())
    assert isinstance(run(made, [sound(1, 1, 1)])[0], SpeechStarted)


def test_the_end_of_the_stream_ends_the_open_turn():
    ended = run(session(), [sound(0.5, 1)])[-1]
    assert isinstance(ended, TurnEnded)
    assert ended.turn.end == round(1.5 * SAMPLE_RATE)


MADE = sound(0.7, 0.9, 0.3, 0.4, 0.9, 1.3, 0.55, 0.2, 1.1)


@given(cuts=st.lists(st.integers(0, len(MADE)), max_size=40), detected=st.booleans())
@settings(max_examples=60)
def test_any_split_gives_the_same_turns(cuts, detected):
    detection = TurnDetection() if detected else None
    assert plain(run(session(detection), split(MADE, cuts))) == plain(run(session(detection), [MADE]))


@pytest.fixture(scope="module")
def talk():
    return load(TALK)[: 30 * SAMPLE_RATE]


@given(cuts=st.lists(st.integers(0, 30 * SAMPLE_RATE), max_size=60))
@settings(max_examples=8)
def test_any_split_of_a_recording_gives_the_same_turns_with_the_real_voice(talk, cuts):
    whole = plain(run(Session(VoiceActivity(), FAST), [talk]))
    assert sum(name == "TurnEnded" for name, _ in whole) > 1
    assert plain(run(Session(VoiceActivity(), FAST), split(talk, cuts))) == whole


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.integers(0, 9_000), st.booleans()),
        st.tuples(st.sampled_from(["commit", "clear", "manual", "detect", "fast"])),
    ),
    max_size=40,
)


@given(actions=ACTIONS)
@settings(max_examples=1_000)
def test_any_order_of_events_keeps_turns_in_order(actions):
    """Samples are in one turn at most, and turns are numbered as they end."""
    made, turns = session(), []
    detections = {"manual": None, "detect": TurnDetection(), "fast": TurnDetection(0.5, 100, 0)}
    for name, *rest in actions:
        events = []
        match name:
            case "feed":
                count, loud = rest
                events = made.feed(np.full(count, 1_000 * loud, np.int16))
            case "commit":
                events = made.commit()
            case "clear":
                made.clear()
            case _:
                made.configure(detections[name])
        turns += [event.turn for event in events if isinstance(event, TurnEnded)]
    turns += [event.turn for event in made.flush() if isinstance(event, TurnEnded)]
    assert all(len(turn.samples) == turn.end - turn.start > 0 for turn in turns)
    assert all(a.end <= b.start and a.number < b.number for a, b in itertools.pairwise(turns))
