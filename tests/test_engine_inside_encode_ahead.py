"""Threads that encode, with an encoder that is pretended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

pytest.importorskip("torch", reason="the base build has no engine")
import torch
from torch import Tensor

from endpoint.engine.inside import encode_ahead
from endpoint.engine.inside.encode_ahead import InThreads

CORES = 4
FRAMES = 250


class Encoder:
    """Doubles its samples once `go` is set; notes in which threads and with how many threads of torch's."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Semaphore(0)
        self.threads: set[str] = set()
        self.widths: list[int] = []

    def encode(self, samples: Tensor, frames: int) -> Tensor:
        (samples,) = samples
        assert frames == FRAMES
        self.threads.add(threading.current_thread().name)
        self.widths.append(torch.get_num_threads())
        assert torch.is_inference_mode_enabled()
        self.begun.release()
        assert self.go.wait(20)
        if not len(samples):
            raise ValueError("no samples")
        return samples[None] * 2


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def pool(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> Iterator[InThreads]:
    monkeypatch.setattr(encode_ahead.os, "sched_getaffinity", lambda _: set(range(CORES)))
    made = InThreads(encoder)
    yield made
    encoder.go.set()
    made.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("encode")]


def results(futures: list[Future[Tensor]]) -> list[list[int]]:
    return [future.result(20).tolist() for future in futures]


def test_windows_are_encoded_side_by_side(encoder: Encoder, pool: InThreads) -> None:
    futures = [pool.start(torch.tensor([k, k + 1]), FRAMES) for k in range(2 * CORES)]
    for _ in range(CORES):
        assert encoder.begun.acquire(timeout=20)
    assert not encoder.begun.acquire(blocking=False)
    assert not any(future.done() for future in futures)
    encoder.go.set()
    assert results(futures) == [[2 * k, 2 * k + 2] for k in range(2 * CORES)]
    assert len(encoder.threads) == CORES


def test_few_windows_share_the_cores(encoder: Encoder, pool: InThreads) -> None:
    usual = torch.get_num_threads()
    encoder.go.set()
    results([pool.start(torch.ones(1), FRAMES)])
    assert encoder.widths == [CORES]
    encoder.go.clear()
    futures = [pool.start(torch.ones(1), FRAMES) for _ in range(2 * CORES)]
    encoder.go.set()
    results(futures)
    assert min(encoder.widths) == 1
    assert torch.get_num_threads() == usual  # each thread of torch's callers has its own number


def test_one_that_fails_harms_no_other(encoder: Encoder, pool: InThreads) -> None:
    encoder.go.set()
    bad, good = pool.start(torch.zeros(0), FRAMES), pool.start(torch.ones(1), FRAMES)
    with pytest.raises(ValueError, match="no samples"):
        bad.result(20)
    assert results([good]) == [[2.0]]


def test_what_is_not_begun_can_be_given_up(encoder: Encoder, pool: InThreads) -> None:
    futures = [pool.start(torch.ones(1), FRAMES) for _ in range(CORES + 2)]
    for _ in range(CORES):
        assert encoder.begun.acquire(timeout=20)
    assert [future.cancel() for future in futures] == [False] * CORES + [True] * 2
    encoder.go.set()
    results(futures[:CORES])
    assert len(encoder.widths) == CORES


def test_what_several_requests_share_is_encoded_once(encoder: Encoder, pool: InThreads) -> None:
    first = pool.start(torch.ones(1), FRAMES, "a")
    assert pool.start(torch.ones(1), FRAMES, "a") is first  # while it is being encoded
    encoder.go.set()
    results([first, pool.start(torch.ones(1), FRAMES), pool.start(torch.ones(1), FRAMES, "b")])
    assert pool.start(torch.ones(1), FRAMES, "a") is first  # and afterwards
    assert len(encoder.widths) == 3


def test_a_shared_window_is_encoded_although_one_request_is_given_up(encoder: Encoder, pool: InThreads) -> None:
    busy = [pool.start(torch.ones(1), FRAMES) for _ in range(CORES)]
    shared, own = pool.start(torch.ones(1), FRAMES, "a"), pool.start(torch.ones(1), FRAMES)
    pool.give_up(shared)
    pool.give_up(own)
    encoder.go.set()
    results([*busy, shared])
    assert own.cancelled()


def test_a_shared_window_that_failed_is_tried_again(encoder: Encoder, pool: InThreads) -> None:
    encoder.go.set()
    failed = pool.start(torch.zeros(0), FRAMES, "a")
    assert isinstance(failed.exception(20), ValueError)
    assert results([pool.start(torch.ones(1), FRAMES, "a")]) == [[2.0]]


def test_only_the_last_shared_windows_are_kept(
    encoder: Encoder, pool: InThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_ahead, "KEPT", 2)
    encoder.go.set()
    first = pool.start(torch.ones(1), FRAMES, "a")
    results([first, pool.start(torch.ones(1), FRAMES, "b"), pool.start(torch.ones(1), FRAMES, "c")])
    assert pool.start(torch.ones(1), FRAMES, "a") is not first


def test_a_process_has_its_last_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_ahead, "_models", [])
    assert encode_ahead.offered() is None
    for model in (Encoder(), Encoder()):
        encode_ahead.offer(model)
        assert encode_ahead.offered() is model
