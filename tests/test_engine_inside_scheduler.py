"""Outputs held back until they are complete; under a scheduler that is pretended, as vLLM's needs a whole engine."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason
from vllm.v1.outputs import LogprobsLists

from endpoint.engine.inside import encode_first, scheduler
from endpoint.engine.inside.scheduler import (
    BEAM_LATER,
    LATER,
    OnCpu,
    OnCpuAsync,
    OnGpu,
    OnGpuAsync,
    Output,
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
    ("gpu", "asynchronous", "kind"),
    [(False, False, OnCpu), (False, True, OnCpuAsync), (True, False, OnGpu), (True, True, OnGpuAsync)],
)
def test_the_scheduler_fits_how_the_engine_was_set_up(
    gpu: bool, asynchronous: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}

    def pretended(self: Scheduler, **named: object) -> None:
        given.update(named)
        self.vllm_config, self.max_num_running_reqs = named["vllm_config"], 4
        coordinator = SimpleNamespace(single_type_managers=())
        pool = SimpleNamespace(num_gpu_blocks=9)
        self.kv_cache_manager = SimpleNamespace(coordinator=coordinator, block_pool=pool)

    model = SimpleNamespace(model=SimpleNamespace(decoder=SimpleNamespace(layers=[])))
    monkeypatch.setattr(encode_first, "offered", lambda: model)
    monkeypatch.setattr(encode_first, "CudaEncoder", lambda *_, **__: None)
    monkeypatch.setattr(scheduler.torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(Scheduler, "__init__", pretended)
    monkeypatch.setattr(AsyncScheduler, "__init__", pretended)
    steps = SimpleNamespace(async_scheduling=asynchronous, max_num_batched_tokens=3000)
    config = SimpleNamespace(scheduler_config=steps, model_config=SimpleNamespace(enforce_eager=False))
    assert type(scheduler.make(vllm_config=config, block_size=16)) is kind
    assert given == {"vllm_config": config, "block_size": 16}
