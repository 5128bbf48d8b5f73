"""Steps and their windows are counted; vLLM's numbers leave the engine some times a second."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
from vllm.v1.engine import EngineCoreOutput, FinishReason

from endpoint.engine.inside import scheduler, steps
from endpoint.engine.inside.scheduler import Output, _WholeOutputs


class Counting:
    """What vLLM's scheduler would plan, and its numbers."""

    def __init__(self) -> None:
        self.requests = dict[str, object]()

    def schedule(self) -> SimpleNamespace:
        return SimpleNamespace(num_scheduled_tokens=dict.fromkeys(self.requests, 1))

    def make_stats(self) -> str:
        return "numbers"


class CountingWholeOutputs(_WholeOutputs, Counting):
    pass


def test_steps_and_their_windows_are_counted() -> None:
    made, (before, windows) = CountingWholeOutputs(), steps.counted()
    for count in (3, 1, 0, 2):  # a step without windows is none
        made.requests = dict.fromkeys(map(str, range(count)))
        made.schedule()
    assert steps.counted() == (before + 3, windows + 6)


def test_numbers_of_vllm_are_sent_some_times_a_second_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: now)
    made = CountingWholeOutputs()
    made.requests = {"a": None}
    assert made.make_stats() == "numbers"
    assert made.make_stats() is None
    now += scheduler.STATS_SECONDS
    assert made.make_stats() == "numbers"
    made.requests = {}
    assert made.make_stats() == "numbers"  # else the last numbers would say that requests are running


def test_events_of_all_steps_are_in_the_whole() -> None:
    """vLLM's times in its queue are made of them."""
    output = Output(None)
    output.add(EngineCoreOutput(request_id="a", new_token_ids=[1], events=["queued", "scheduled"]))
    whole = output.add(EngineCoreOutput(request_id="a", new_token_ids=[2], finish_reason=FinishReason.STOP))
    assert whole is not None
    assert whole.events == ["queued", "scheduled"]
