"""Batches of windows on a GPU's stream; the GPU is pretended."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("torch", reason="the base build has no engine")
import torch
from torch import Tensor

from endpoint.engine.inside import encode_on_stream
from endpoint.engine.inside.encode_on_stream import CudaEncoder, OnStream


class Later:
    """An event that happens when the test says so, or when it is waited for."""

    def __init__(self) -> None:
        self.happened = False

    def query(self) -> bool:
        return self.happened

    def synchronize(self) -> None:
        self.happened = True


class Device:
    """Doubles samples, four at once."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.events: list[Later] = []
        self.most = 4

    def encode(self, sounds: Sequence[Tensor], frames: int) -> tuple[Tensor, Later]:
        if len(sounds) > self.most:
            raise RuntimeError("no memory")
        self.batches.append([int(sound[0]) for sound in sounds])
        self.events.append(Later())
        return torch.stack([2 * sound for sound in sounds]), self.events[-1]

    def batch(self, count: int, frames: int) -> int:
        return min(count, 4)


@pytest.fixture
def device() -> Device:
    return Device()


def sound(value: int) -> Tensor:
    return torch.full((3,), value, dtype=torch.int16)


def test_a_batch_is_handed_out_when_it_is_done_and_the_next_one_begun(device: Device) -> None:
    ahead = OnStream(device)
    futures = [ahead.start(sound(value), 1_500) for value in range(6)]
    ahead.turn(16)
    ahead.turn(16)
    assert device.batches == [[0, 1, 2, 3]]
    assert not any(future.done() for future in futures)
    device.events[0].happened = True
    ahead.turn(16)
    assert [future.done() for future in futures] == [True] * 4 + [False] * 2
    assert futures[3].result().tolist() == [6, 6, 6]
    assert device.batches == [[0, 1, 2, 3], [4, 5]]
    ahead.turn(16, wait=True)
    assert futures[5].result().tolist() == [10, 10, 10]


@pytest.mark.parametrize("room", [0, -3, 2])
def test_no_more_is_encoded_than_there_is_room_for(device: Device, room: int) -> None:
    ahead = OnStream(device)
    for value in range(3):
        ahead.start(sound(value), 1_500)
    ahead.turn(room)
    assert device.batches == ([[0, 1]] if room > 0 else [])
    ahead.turn(room, wait=True)
    assert device.batches == ([[0, 1]] if room > 0 else [])


def test_windows_of_one_length_are_encoded_together(device: Device) -> None:
    ahead = OnStream(device)
    for value, frames in enumerate((1_500, 250, 1_500)):
        ahead.start(sound(value), frames)
    ahead.turn(16, wait=True)
    ahead.turn(16, wait=True)
    assert device.batches == [[0, 2], [1]]


def test_what_was_given_up_is_not_encoded_unless_others_share_it(device: Device) -> None:
    ahead = OnStream(device)
    first, second = ahead.start(sound(1), 1_500), ahead.start(sound(2), 1_500, "shared")
    ahead.give_up(first)
    ahead.give_up(second)
    assert ahead.start(sound(2), 1_500, "shared") is second
    ahead.turn(16, wait=True)
    assert device.batches == [[2]]
    assert second.done()


def test_too_many_at_once_fail_and_the_next_ones_are_encoded(device: Device) -> None:
    device.most = 1
    ahead = OnStream(device)
    futures = [ahead.start(sound(value), frames) for value, frames in enumerate((1_500, 1_500, 250))]
    ahead.turn(16, wait=True)
    assert [str(future.exception()) for future in futures[:2]] == ["no memory"] * 2
    ahead.turn(16, wait=True)
    assert futures[2].result().tolist() == [4, 4, 4]


def test_graphs_are_used_as_far_as_there_is_memory_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def graph(model: object, size: int, *_: object) -> str:
        if size > 4:
            raise RuntimeError("no memory")
        return f"graph of {size}"

    monkeypatch.setattr(encode_on_stream, "_graph", graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda place: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    encoder = CudaEncoder(torch.nn.Linear(1, 1), 16, graphs=True)
    assert [encoder.batch(count, 1_500) for count in (1, 3, 4, 16)] == [1, 2, 4, 4]
    assert encoder.batch(16, 250) == 16  # there are none for shorter ones
    assert [CudaEncoder(torch.nn.Linear(1, 1), 16, graphs=False).batch(count, 1_500) for count in (3, 40)] == [3, 16]


def test_what_was_not_begun_is_cancelled_at_the_end(device: Device) -> None:
    ahead = OnStream(device)
    future = ahead.start(sound(1), 1_500)
    ahead.close()
    assert future.cancelled()
