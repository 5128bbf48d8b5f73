"""Requests admitted together; under a scheduler that is pretended, as vLLM's needs a whole engine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
from vllm.v1.core.sched.interface import PauseState

from endpoint.engine.inside.batch_admission import MILLISECONDS_KEY, Together

ROWS, WINDOWS, MILLISECONDS = 6, 4, 8


class Queues:
    """vLLM's scheduler as far as admission goes: as many as there are free rows, unless it is paused."""

    def __init__(self, rows: int, milliseconds: int) -> None:
        self.waiting: list[str] = []
        self.running: list[str] = []
        self.max_num_running_reqs = rows
        self.pause_state = PauseState.UNPAUSED
        self.vllm_config = SimpleNamespace(
            scheduler_config=SimpleNamespace(max_num_batched_tokens=WINDOWS * 1500 + 700),
            additional_config={MILLISECONDS_KEY: milliseconds} if milliseconds else {},
        )

    def set_pause_state(self, state: PauseState) -> None:
        self.pause_state = state

    def get_request_counts(self) -> tuple[int, int]:
        return len(self.running), len(self.waiting)

    def schedule(self) -> list[str]:
        admitted = []
        while (
            self.pause_state is PauseState.UNPAUSED and self.waiting and len(self.running) < self.max_num_running_reqs
        ):
            admitted.append(self.waiting.pop(0))
            self.running.append(admitted[-1])
        return admitted


class Admission(Together, Queues):
    def __init__(self, rows: int = ROWS, milliseconds: int = MILLISECONDS) -> None:
        self.now = 100.0
        super().__init__(rows, milliseconds, clock=lambda: self.now)

    def at(self, milliseconds: float) -> list[str]:
        """Who is admitted in a step so long after the start."""
        self.now = 100.0 + milliseconds / 1000
        return self.schedule()


def test_who_comes_first_is_admitted_at_once() -> None:
    admission = Admission()
    admission.waiting += ["a"]
    assert admission.at(0) == ["a"]


def test_while_others_run_a_request_waits_for_company_but_not_long() -> None:
    admission = Admission()
    admission.running, admission.waiting = ["x"], ["a"]
    assert admission.at(0) == []
    assert admission.get_request_counts() == (1, 1)  # it is vLLM's all the time
    admission.waiting += ["b"]
    assert admission.at(7) == []
    assert admission.at(8.1) == ["a", "b"]
    admission.waiting += ["c"]
    assert admission.at(9) == []  # its time starts when it comes
    assert admission.at(17.1) == ["c"]


def test_a_full_batch_of_the_encoder_does_not_wait() -> None:
    admission = Admission()
    admission.running, admission.waiting = ["x"], list("abcd")
    assert admission.at(0) == list("abcd")


def test_a_backlog_goes_in_together_too() -> None:
    """The time counts from when there was a free row, not from when the request came."""
    admission = Admission()
    admission.running, admission.waiting = list("uvwxyz"), list("abcdefgh")
    assert admission.at(0) == []
    admission.running.remove("u")
    assert admission.at(500) == []
    admission.running.remove("v")
    assert admission.at(507) == []
    assert admission.at(508.1) == ["a", "b"]


def test_fewer_rows_than_a_batch_need_only_be_free() -> None:
    admission = Admission(rows=3)
    admission.running, admission.waiting = ["x"], ["a", "b", "c"]
    assert admission.at(0) == []
    admission.running.remove("x")
    assert admission.at(1) == ["a", "b", "c"]


def test_when_the_last_one_ends_nobody_waits() -> None:
    admission = Admission()
    admission.running, admission.waiting = ["x"], ["a"]
    assert admission.at(0) == []
    admission.running.clear()
    assert admission.at(1) == ["a"]


def test_what_is_given_up_while_it_waits_starts_no_clock_for_the_next() -> None:
    admission = Admission()
    admission.running, admission.waiting = ["x"], ["a"]
    assert admission.at(0) == []
    admission.waiting.clear()
    assert admission.at(5) == []
    admission.waiting += ["b"]
    assert admission.at(8.1) == []
    assert admission.at(16.2) == ["b"]


@pytest.mark.parametrize("state", list(PauseState))
def test_a_pause_of_vllms_own_outlasts_a_step(state: PauseState) -> None:
    admission = Admission()
    admission.running, admission.waiting = ["x"], ["a"]
    admission.set_pause_state(state)
    assert admission.at(0) == []
    assert admission.pause_state is state


def test_a_step_that_fails_leaves_admission_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Queues) -> None:
        raise MemoryError

    admission = Admission()
    admission.running, admission.waiting = ["x"], ["a"]
    monkeypatch.setattr(Queues, "schedule", fail)
    with pytest.raises(MemoryError):
        admission.at(0)
    assert admission.pause_state is PauseState.UNPAUSED


def test_it_can_be_turned_off() -> None:
    admission = Admission(milliseconds=0)
    admission.running, admission.waiting = ["x"], ["a"]
    assert admission.at(0) == ["a"]
