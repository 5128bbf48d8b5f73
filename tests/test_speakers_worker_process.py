"""The process by itself: messages in, messages out."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from endpoint.speakers.turns import Turn
from endpoint.speakers.worker.process import BLOCK, serve
from endpoint.speakers.worker.protocol import FAILED, LENGTH_BYTES, Request, framed


class Backend:
    def __init__(self) -> None:
        self.blocks = list[np.ndarray]()
        self.failing = False

    def diarize(self, blocks, least, most, known):
        if self.failing:
            raise RuntimeError("no")
        self.blocks = list(blocks)
        return [Turn(0.5, 1.5, f"{known[0][0]} {known[0][1][0]}" if known else "A")]


def messages(*requests: tuple[Request, np.ndarray], failing: bool = False) -> tuple[list[dict[str, object]], Backend]:
    backend, target = Backend(), io.BytesIO()
    backend.failing = failing
    data = b"".join(framed(request.to_json()) + samples.astype(np.int16).tobytes() for request, samples in requests)
    with pytest.raises(EOFError):
        serve(backend, io.BytesIO(data), target)
    target.seek(0)
    found = []
    while length := int.from_bytes(target.read(LENGTH_BYTES), "big"):
        found.append(json.loads(target.read(length)))
    return found, backend


def test_samples_are_floats_in_blocks() -> None:
    sound = np.arange(2 * BLOCK + 5) % 1_000 - 16_384
    found, backend = messages((Request(len(sound)), sound))
    assert found == [{"ready": True}, {"turns": [[0.5, 1.5, "A"]]}]
    assert [len(block) for block in backend.blocks] == [BLOCK, BLOCK, 5]
    assert backend.blocks[0].dtype == np.float32
    assert backend.blocks[0][0] == -0.5


def test_known_speakers_come_first() -> None:
    sound = np.concatenate([np.full(10, 16_384), np.zeros(20)])
    found, backend = messages((Request(20, (("Ann", 10),)), sound))
    assert found[1] == {"turns": [[0.5, 1.5, "Ann 0.5"]]}
    assert sum(map(len, backend.blocks)) == 20


def test_the_next_request_is_found_after_an_error() -> None:
    sound = np.zeros(BLOCK + 7)
    found, _ = messages((Request(len(sound)), sound), (Request(len(sound)), sound), failing=True)
    assert [one.get("error") for one in found] == [None, FAILED, FAILED]


def test_a_parent_that_ends_in_the_middle_ends_the_process() -> None:
    assert messages((Request(100), np.zeros(50)))[0] == [{"ready": True}]
