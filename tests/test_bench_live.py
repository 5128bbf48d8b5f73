"""Lags and word errors of live sessions."""

from __future__ import annotations

import math

import pytest

from endpoint.bench.live import LiveResult, LiveTurn, _Reading, error_rate, live_figures, speak, spread, together
from endpoint.live.client import LiveEvent
from endpoint.types import SAMPLE_RATE
from tests.servers import running_server
from tests.test_live_session import TALK, load

TRANSCRIPTION = "conversation.item.input_audio_transcription"


def event(seconds: float, kind: str, **fields) -> LiveEvent:
    return LiveEvent(seconds, {"type": f"{TRANSCRIPTION}.{kind}", "item_id": "item_1", **fields})


def word(text: str, start: float, end: float) -> dict:
    return {"word": text, "start": start, "end": end, "probability": 1.0}


def test_lags_count_from_the_words():
    reading = _Reading()
    first, second, third = word("a", 1.0, 1.4), word("b", 1.4, 2.0), word("c", 2.0, 3.0)
    reading.feed(event(2.5, "delta", delta="a", words=[first], stable_until=1_400))
    reading.feed(event(3.0, "delta", delta=" b", words=[second], stable_until=2_000))
    reading.feed(event(4.0, "delta", delta=" c.", stable_until=3_200))
    reading.feed(
        event(
            4.0, "completed", transcript="a b c.", words=[first, second, third], audio_start_ms=700, audio_end_ms=3_200
        )
    )
    (turn,) = reading.turns
    assert turn.first == pytest.approx(1.5)
    assert turn.words == pytest.approx([1.1, 1.0, 1.0])
    assert turn.completed == pytest.approx(1.0)
    assert (turn.interim, turn.final, turn.stable) == ("a b c.", "a b c.", [1_400, 2_000, 3_200])


def test_a_failed_turn_and_one_without_words():
    reading = _Reading()
    reading.feed(event(1.0, "failed", error={}))
    reading.feed(LiveEvent(0.0, {"type": "session.created"}))
    assert [turn.failed for turn in reading.turns] == [True]
    reading.feed(event(4.0, "completed", transcript="", words=[], audio_start_ms=0, audio_end_ms=900))
    assert reading.turns[0].completed is None


def test_figures():
    turns = [LiveTurn(interim="a x", final="a b", first=1.0, words=[1.0, 3.0], completed=0.5), LiveTurn(failed=True)]
    found = live_figures([LiveResult(turns, "a b")])
    assert (found.sessions, found.turns, found.failed) == (1, 2, 1)
    assert found.word == (2.0, 3.0)
    assert (found.interim_errors, found.final_errors) == (50.0, 0.0)
    assert math.isnan(live_figures([]).first[0])
    assert error_rate([(None, "a")]) is None


def test_the_middle_and_the_tail_of_values():
    assert spread([*range(100)]) == (49.5, 95)
    assert all(map(math.isnan, spread([])))


async def test_sessions_beside_each_other(tmp_path):
    talk = load(TALK)[: 3 * SAMPLE_RATE]
    with running_server(tmp_path / "log", engine="fake", jobs_url="off") as base:
        one = await speak(f"{base}/v1", talk, {}, "text", real_time=False)
        several = await together(f"{base}/v1", [(talk, None)], 2, {})
    assert one.final
    assert len(several) == 2
    assert live_figures(several).failed == 0
