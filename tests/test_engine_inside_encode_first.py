"""Requests are held until their windows are encoded; schedulers, encoders and caches are pretended."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch

from endpoint.engine.inside import encode_first
from endpoint.engine.inside.cross_cache import Kept
from endpoint.engine.inside.encode_first import EncodesInThreads, EncodesOnStream

BEGUN = torch.ones(1500, 4)


class Pretended:
    """Begins all that it was given, once."""

    max_num_running_reqs = 128

    def __init__(self) -> None:
        self.requests: dict[str, Any] = {}
        self.begun: list[str] = []
        self.vllm_config = SimpleNamespace(
            scheduler_config=SimpleNamespace(max_num_batched_tokens=3_000),
            model_config=SimpleNamespace(enforce_eager=False),
        )

    def add_request(self, request: Any) -> None:
        self.requests[request.request_id] = request

    def schedule(self) -> SimpleNamespace:
        new = [name for name in self.requests if name not in self.begun]
        self.begun += new
        return SimpleNamespace(scheduled_new_reqs=[SimpleNamespace(req_id=name) for name in new])

    def finish_requests(self, names: Any, status: object) -> list[object]:
        names = [names] if isinstance(names, str) else list(self.requests) if names is None else names
        return [self.requests.pop(name) for name in names if name in self.requests]

    def get_request_counts(self) -> tuple[int, int]:
        return 0, len(self.requests)

    def has_unfinished_requests(self) -> bool:
        """As vLLM 0.26 has it: 0.32 asks get_request_counts."""
        return bool(self.requests)

    def held(self) -> dict[str, int]:
        return {"requests": len(self.requests)}

    def shutdown(self) -> None:
        self.requests.clear()

    def _cross_block_ids(self, name: str) -> tuple[list[int], int]:
        return [ord(name)], 16


class ByHand:
    """Encoders that are done when the test decides, or when they are waited for."""

    cores = 9

    def __init__(self, _: object) -> None:
        self.futures: list[Future] = []
        self.shared: list[str] = []
        self.rooms: list[int] = []
        self.closed = False

    def start(self, samples: torch.Tensor, frames: int, shared: str) -> Future:
        assert frames == 1_500
        self.futures.append(Future())
        self.shared.append(shared)
        return self.futures[-1]

    def turn(self, room: int, *, wait: bool = False) -> None:
        self.rooms.append(room)
        if wait:
            next(future for future in self.futures if not future.done()).set_result(BEGUN)

    def give_up(self, future: Future) -> None:
        future.cancel()

    def close(self) -> None:
        self.closed = True


class Cache:
    def __init__(self, _: object) -> None:
        self.written: list[tuple[list[float], list[list[int]]]] = []

    def write(self, outputs: list[torch.Tensor], blocks: list[list[int]], block_size: int) -> None:
        assert block_size == 16
        self.written.append(([float(output.mean()) for output in outputs], list(blocks)))


class Model:
    model = SimpleNamespace(decoder=None)

    def parameters(self) -> Any:
        return iter([torch.zeros(1)])

    def encode(self, samples: torch.Tensor, frames: int) -> torch.Tensor:
        return torch.full((1, frames, 4), 9.0)


class Beside(EncodesInThreads, Pretended):
    pass


class OnStream(EncodesOnStream, Pretended):
    pass


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """What is kept for the times of words."""
    kept = Kept()
    for name, value in {
        "offered": Model,
        "InThreads": ByHand,
        "OnStream": ByHand,
        "CudaEncoder": lambda *_, **__: None,
        "CrossCache": Cache,
        "kept": kept,
        "set_num_threads": lambda _: None,
    }.items():
        monkeypatch.setattr(encode_first, name, value)
    return kept


@pytest.fixture
def beside(pretended: Kept) -> Beside:
    return Beside()


def sounding(name: str, **extra: str) -> SimpleNamespace:
    samples = SimpleNamespace(data=torch.ones(5, dtype=torch.int16))
    feature = SimpleNamespace(
        data={"samples": samples}, mm_position=SimpleNamespace(length=1_500), identifier=f"words-{name}"
    )
    return SimpleNamespace(
        request_id=name, mm_features=[feature], sampling_params=SimpleNamespace(extra_args=extra or None)
    )


def begun(scheduler: Any) -> list[str]:
    """The requests that begin with the next step."""
    return [new.req_id for new in scheduler.schedule().scheduled_new_reqs]


def test_the_model_has_to_be_in_the_schedulers_process(pretended: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_first, "offered", lambda: None)
    with pytest.raises(RuntimeError, match="one device for each engine"):
        Beside()


def test_requests_of_one_sound_say_so_to_the_encoders(beside: Beside) -> None:
    beside.add_request(sounding("a"))
    beside.add_request(sounding("b", shared="digest"))
    assert beside._ahead.shared == ["", "digest"]


def test_a_request_begins_when_its_window_is_encoded_and_its_sound_is_written(beside: Beside, pretended: Kept) -> None:
    pretended.most = 5
    beside.add_request(sounding("a"))
    beside.add_request(sounding("b"))
    assert beside.get_request_counts() == (0, 2)
    assert beside.held() == {"requests": 0, "encoded": 2}
    assert beside.has_unfinished_requests()  # else the engine's loop would stop here
    assert begun(beside) == []  # after a moment's wait
    beside._ahead.futures[1].set_result(BEGUN)
    assert begun(beside) == ["b"]
    assert beside._cache.written == [([1.0], [[ord("b")]])]
    assert beside.get_request_counts() == (0, 2)
    beside._ahead.futures[0].set_result(2 * BEGUN)
    assert begun(beside) == ["a"]
    assert beside._cache.written[1:] == [([2.0], [[ord("a")]])]
    assert beside.held() == {"requests": 2, "encoded": 0}
    assert pretended.pop("words-a") is not None


def test_followers_have_no_sound_of_their_own(beside: Beside) -> None:
    beam = {"group": "g", "index": 1, "size": 2, "most": 2}
    beside.add_request(sounding("f", whisper={"beam": beam}))
    assert not beside._ahead.futures
    assert begun(beside) == ["f"]
    assert beside._cache.written == []


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
    next(encode).set_result(BEGUN)
    assert begun(beside) == ["a"]
    monkeypatch.setattr(encode_first, "LONGEST_HOLD", longest)
    monkeypatch.setattr(encode_first, "wait", lambda *_: next(encode).set_result(BEGUN))
    assert begun(beside) == list(first[1:])


def test_a_step_has_all_cores_while_nothing_is_encoded(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[int]()
    monkeypatch.setattr(encode_first, "set_num_threads", given.append)
    beside._ahead.cores = 4
    beside.add_request(sounding("a"))
    beside.schedule()
    beside._ahead.futures[0].set_result(BEGUN)
    beside.schedule()
    beside.schedule()
    assert given == [3, 4]


def test_what_could_not_be_encoded_is_tried_once_more(beside: Beside) -> None:
    beside.add_request(sounding("a"))
    beside._ahead.futures[0].set_exception(ValueError("no memory"))
    assert begun(beside) == ["a"]
    assert beside._cache.written == [([9.0], [[ord("a")]])]


@pytest.mark.parametrize("names", ["a", ["a"], None])
@pytest.mark.parametrize("encoded", [False, True])
def test_a_request_may_be_given_up_before_it_begins(beside: Beside, names: object, encoded: bool) -> None:
    request = sounding("a")
    beside.add_request(request)
    if encoded:
        beside._ahead.futures[0].set_result(BEGUN)
        beside._admit_encoded()
    assert beside.finish_requests(names, "aborted") == [request]
    assert beside.get_request_counts() == (0, 0)
    assert beside._ahead.futures[0].cancelled() is not encoded
    assert beside.held() == {"requests": 0, "encoded": 0}
    assert begun(beside) == []
    assert not beside.has_unfinished_requests()


def test_its_threads_end_with_it(beside: Beside) -> None:
    beside.shutdown()
    assert beside._ahead.closed


def test_on_a_gpu_an_idle_engine_waits_for_a_window_and_a_busy_one_goes_on(pretended: Kept) -> None:
    scheduler = OnStream()
    for name in "ab":
        scheduler.add_request(sounding(name))
    assert begun(scheduler) == ["a"]
    assert begun(scheduler) == []  # a runs
    scheduler._ahead.futures[1].set_result(BEGUN)
    assert begun(scheduler) == ["b"]


def test_on_a_gpu_only_as_many_windows_are_encoded_as_a_step_may_begin(
    pretended: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = OnStream()
    monkeypatch.setattr(scheduler, "_write", lambda begun: None)  # all wait for a slot
    for name in "abc":
        scheduler.add_request(sounding(name))
    for _ in range(3):
        scheduler.schedule()
    assert scheduler._ahead.rooms == [2, 2, 1, 1]
