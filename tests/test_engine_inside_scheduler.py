"""Outputs held back until they are complete; under a scheduler that is pretended, as vLLM's needs a whole engine."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason
from vllm.v1.outputs import LogprobsLists

from endpoint.engine.inside import scheduler
from endpoint.engine.inside.scheduler import (
    BEAM_LATER,
    LATER,
    OnCpu,
    Output,
    WholeOutputs,
    WholeOutputsAsync,
    _EncodesFirst,
    _WholeOutputs,
)

ASKED = 5  # scores that are asked for, that of the token not counted


def part(token: int, *, width: int = 1 + ASKED, last: bool = False, name: str = "a") -> EngineCoreOutput:
    """One step that generated `token`, whose scores are token, token + 0.1, ... and vLLM's padding behind ASKED."""
    scores = (token + np.arange(width) / 10).astype(np.float32)[None]
    scores[:, 1 + ASKED :] = -np.inf
    lists = LogprobsLists(np.zeros(scores.shape, np.int32), scores, np.zeros(1, np.int32))
    return EngineCoreOutput(
        request_id=name, new_token_ids=[token], new_logprobs=lists, finish_reason=FinishReason.STOP if last else None
    )


@pytest.mark.parametrize("padded", [1 + ASKED, 40])
@pytest.mark.parametrize("steps", [1, 2, 3, 12])
def test_the_whole_holds_every_token_and_the_scores_that_are_read(padded: int, steps: int) -> None:
    output = Output(list(range(ASKED)))
    for token in range(steps - 1):
        assert output.add(part(token, width=padded if token % 2 else 1 + ASKED)) is None
    whole = output.add(part(steps - 1, width=padded, last=True))
    assert whole is not None
    assert whole.new_token_ids == list(range(steps))
    assert whole.finish_reason is FinishReason.STOP
    assert whole.new_logprobs is not None
    ids, scores, ranks, _ = whole.new_logprobs
    assert ids.shape == scores.shape == (len(ranks), 1 + ASKED)  # vLLM reads no more of a row
    flat = scores.ravel()
    np.testing.assert_allclose(flat[: 1 + ASKED], np.arange(1 + ASKED) / 10)
    behind = flat[1 + ASKED :][: LATER * (steps - 1)].reshape(-1, LATER)
    np.testing.assert_allclose(behind, np.arange(1, steps)[:, None] + np.arange(LATER) / 10, rtol=1e-6)


def test_an_output_without_scores_and_one_that_failed() -> None:
    output = Output(None)
    first = EngineCoreOutput(request_id="a", new_token_ids=[4])
    last = EngineCoreOutput(request_id="a", new_token_ids=[], finish_reason=FinishReason.ERROR)
    assert output.add(first) is None
    whole = output.add(last)
    assert whole is not None
    assert (whole.new_token_ids, whole.new_logprobs, whole.finish_reason) == ([4], None, FinishReason.ERROR)


class Pretended:
    """What vLLM's scheduler would say: the messages of a step, by client."""

    def __init__(self) -> None:
        self.requests: dict[str, object] = {}

    def add_request(self, request: SimpleNamespace) -> None:
        self.requests[request.request_id] = request

    def update_from_output(self, scheduled: object, messages: dict[int, EngineCoreOutputs]) -> object:
        for message in messages.values():
            for output in message.outputs:
                if output.finish_reason is not None:
                    del self.requests[output.request_id]
        return messages


class Tried(_WholeOutputs, Pretended):
    pass


def request(name: str) -> SimpleNamespace:
    params = SimpleNamespace(logprob_token_ids=list(range(ASKED)), extra_args=None)
    return SimpleNamespace(request_id=name, sampling_params=params)


def step(tried: Tried, *parts: EngineCoreOutput, client: int = 0) -> dict[int, EngineCoreOutputs]:
    return tried.update_from_output(None, {client: EngineCoreOutputs(outputs=list(parts))})


def test_beams_are_asked_for_more_at_every_step() -> None:
    tried, asking = Tried(), request("a")
    asking.sampling_params.extra_args = {"whisper": {"beam": {"group": "g", "index": 0, "size": 2, "most": 2}}}
    asking.sampling_params.logprob_token_ids = list(range(9))
    tried.add_request(asking)
    step(tried, part(1))
    assert asking.sampling_params.logprob_token_ids == list(range(BEAM_LATER - 1))


def test_nothing_is_sent_before_an_output_is_complete() -> None:
    tried = Tried()
    for name in "ab":
        tried.add_request(request(name))
    assert step(tried, part(1), part(2, name="b")) == {}
    found = step(tried, part(3), part(4, name="b", last=True))
    assert [(output.request_id, output.new_token_ids) for output in found[0].outputs] == [("b", [2, 4])]
    found = step(tried, part(5, last=True), client=1)
    assert [(output.request_id, output.new_token_ids) for output in found[1].outputs] == [("a", [1, 3, 5])]
    assert tried._outputs == {}


def test_later_steps_are_asked_for_less() -> None:
    """The list is the one that vLLM's runner reads, in the same process."""
    tried, asking = Tried(), request("a")
    tried.add_request(asking)
    step(tried, part(1))
    assert asking.sampling_params.logprob_token_ids == [0, 1]
    found = step(tried, part(2, width=LATER, last=True))
    scores = found[0].outputs[0].new_logprobs.logprobs
    assert scores.shape == (2, 1 + ASKED)
    np.testing.assert_allclose(scores[1], [2, 2.1, 2.2, 0, 0, 0])


def test_what_was_given_up_is_forgotten() -> None:
    tried = Tried()
    for name in "ab":
        tried.add_request(request(name))
    step(tried, part(1), part(2, name="b"))
    del tried.requests["a"]
    step(tried, part(3, name="b"))
    assert list(tried._outputs) == ["b"]


def test_what_else_the_engine_says_passes() -> None:
    message = EngineCoreOutputs(finished_requests={"x"})
    assert Tried().update_from_output(None, {0: message}) == {0: message}


@pytest.mark.parametrize(
    ("asynchronous", "encoder", "kind"),
    [(False, None, WholeOutputs), (True, None, WholeOutputsAsync), (True, abs, WholeOutputsAsync), (False, abs, OnCpu)],
)
def test_the_scheduler_fits_how_the_engine_was_set_up(
    asynchronous: bool, encoder: object, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}

    def pretended(self: Scheduler, **named: object) -> None:
        given.update(named)
        self.vllm_config, self.max_num_running_reqs = named["vllm_config"], 4
        coordinator = SimpleNamespace(single_type_managers=())
        pool = SimpleNamespace(num_gpu_blocks=9)
        self.kv_cache_manager = SimpleNamespace(coordinator=coordinator, block_pool=pool)

    monkeypatch.setattr(scheduler, "offered", lambda: encoder)
    monkeypatch.setattr(Scheduler, "__init__", pretended)
    monkeypatch.setattr(AsyncScheduler, "__init__", pretended)
    steps = SimpleNamespace(async_scheduling=asynchronous, max_num_batched_tokens=3000)
    config = SimpleNamespace(scheduler_config=steps, additional_config={})
    assert type(scheduler.make(vllm_config=config, block_size=16)) is kind
    assert given == {"vllm_config": config, "block_size": 16}


# ---- encoders beside the decoder ------------------------------------------------------------------


class Waiting(Pretended):
    """One that returns what it was given to schedule, and aborts."""

    max_num_running_reqs = 128

    def schedule(self) -> list[str]:
        return list(self.requests)

    def finish_requests(self, names: object, status: object) -> list[object]:
        return [
            self.requests.pop(name) for name in ([names] if isinstance(names, str) else names or list(self.requests))
        ]

    def get_request_counts(self) -> tuple[int, int]:
        return 0, len(self.requests)

    def has_unfinished_requests(self) -> bool:
        """As vLLM 0.26 has it: 0.32 asks get_request_counts."""
        return bool(self.requests)

    def shutdown(self) -> None:
        self.requests.clear()


class Beside(_EncodesFirst, Waiting):
    pass


class ByHand:
    """Encoders that are done when the test decides."""

    cores = 9

    def __init__(self, encode: object) -> None:
        self.futures: list[Future] = []
        self.shared: list[str] = []
        self.closed = False

    def start(self, samples: torch.Tensor, frames: int, shared: str) -> Future:
        assert frames == 1_500
        self.futures.append(Future())
        self.shared.append(shared)
        return self.futures[-1]

    def give_up(self, future: Future) -> None:
        future.cancel()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Beside:
    monkeypatch.setattr(scheduler, "offered", lambda: abs)
    monkeypatch.setattr(scheduler, "EncodeAhead", ByHand)
    return Beside()


def sounding(name: str, **extra: str) -> SimpleNamespace:
    samples = SimpleNamespace(data=torch.ones(5, dtype=torch.int16))
    params = SimpleNamespace(extra_args=extra or None)
    features = [SimpleNamespace(data={"samples": samples}, mm_position=SimpleNamespace(length=1_500))]
    return SimpleNamespace(request_id=name, mm_features=features, sampling_params=params)


def test_requests_of_one_sound_say_so_to_the_encoders(beside: Beside) -> None:
    beside.add_request(sounding("a"))
    beside.add_request(sounding("b", shared="digest"))
    assert beside._ahead.shared == ["", "digest"]


def test_a_request_is_admitted_when_its_window_is_encoded(beside: Beside) -> None:
    first, second = sounding("a"), sounding("b")
    beside.add_request(first)
    beside.add_request(second)
    assert beside.get_request_counts() == (0, 2)
    assert beside.has_unfinished_requests()  # else the engine's loop would stop here
    assert beside.schedule() == []  # after a moment's wait
    beside._ahead.futures[1].set_result(torch.zeros(1500, 4))
    assert beside.schedule() == ["b"]
    assert second.mm_features[0].data["encoded"].data.shape == (1500, 4)
    assert beside.get_request_counts() == (0, 2)
    beside._ahead.futures[0].set_result(torch.ones(1500, 4))
    assert beside.schedule() == ["b", "a"]


@pytest.mark.parametrize(
    ("cores", "rows", "longest", "first"),
    [(2, 128, 1e9, "ab"), (4, 128, 1e9, "a"), (2, 1, 1e9, "a"), (2, 128, -1.0, "a")],
)
def test_few_rows_wait_for_more_while_the_cores_encode_in_any_case(
    beside: Beside, cores: int, rows: int, longest: float, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where a core is free or no row is, and no longer than is allowed."""
    beside._ahead.cores, beside.max_num_running_reqs = cores, rows
    for name in "abc":
        beside.add_request(sounding(name))
    encode = iter(beside._ahead.futures)
    next(encode).set_result(torch.zeros(1500, 4))
    assert beside.schedule() == ["a"]
    monkeypatch.setattr(scheduler, "LONGEST_HOLD", longest)
    monkeypatch.setattr(scheduler, "wait", lambda *_: next(encode).set_result(torch.zeros(1500, 4)))
    assert beside.schedule() == list(first)


def test_a_step_has_all_cores_while_nothing_is_encoded(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[int]()
    monkeypatch.setattr(scheduler, "set_num_threads", given.append)
    beside._ahead.cores = 4
    beside.add_request(sounding("a"))
    beside.schedule()
    beside._ahead.futures[0].set_result(torch.zeros(1500, 4))
    beside.schedule()
    beside.schedule()
    assert given == [3, 4]


def test_what_could_not_be_encoded_is_left_to_the_engine(beside: Beside) -> None:
    request = sounding("a")
    beside.add_request(request)
    beside._ahead.futures[0].set_exception(ValueError("no memory"))
    assert beside.schedule() == ["a"]
    assert "samples" in request.mm_features[0].data


@pytest.mark.parametrize("names", ["a", ["a"], None])
def test_a_request_may_be_given_up_while_it_is_encoded(beside: Beside, names: object) -> None:
    request = sounding("a")
    beside.add_request(request)
    assert beside.finish_requests(names, "aborted") == [request]
    assert beside.get_request_counts() == (0, 0)
    assert beside._ahead.futures[0].cancelled()
    assert beside.schedule() == []
    assert not beside.has_unfinished_requests()


def test_its_threads_end_with_it(beside: Beside) -> None:
    beside.shutdown()
    assert beside._ahead.closed
