"""Encoders beside the decoder, on a CPU: a request is scheduled when its window has been encoded.

vLLM encodes inside the step that admits a request: every answer under way waits, and on a few cores neither the
encoder's products nor the decoder's keep all of them busy. Here each window is encoded by a thread of its own, one core
each while there are more windows than cores, and the steps go on meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, set_num_threads  # vLLM's CPU worker takes the name in torch away, for its main thread's sake

if TYPE_CHECKING:
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.request import Request, RequestStatus

PATIENCE = 0.002  # seconds that an engine with nothing else to do waits at once: it has to look for new requests

Encode = Callable[[Tensor], Tensor]  # int16 [n] to the encoder's output [1500, width]
_encoders: list[Encode] = []  # of this process's model


def offer(encode: Encode) -> None:
    """Called by the model when it is made."""
    _encoders[:] = [encode]


def offered() -> Encode | None:
    return _encoders[0] if _encoders else None


class Ahead:
    """Threads that encode, one for every core."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._cores = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._cores, thread_name_prefix="encode")
        self._asked = 0  # windows that wait or are being encoded

    def start(self, samples: Tensor) -> Future[Tensor]:
        self._asked += 1
        return self._pool.submit(self._run, samples)

    def _run(self, samples: Tensor) -> Tensor:
        set_num_threads(max(1, self._cores // self._asked))  # of this thread
        try:
            with torch.inference_mode():
                return self._encode(samples)
        finally:
            self._asked -= 1


class EncodesAhead:
    """Goes before one of vLLM's schedulers in the bases of a class; the engine's process must be the worker's."""

    requests: dict[str, Any]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        encode = offered()
        assert encode is not None
        self._ahead = Ahead(encode)
        self._held: dict[str, tuple[Request, Future[Tensor]]] = {}

    def add_request(self, request: Request) -> None:
        self._held[request.request_id] = request, self._ahead.start(_samples(request))

    def schedule(self, *given: Any) -> SchedulerOutput:
        if self._held:
            if not self.requests:
                wait([encoded for _, encoded in self._held.values()], PATIENCE, FIRST_COMPLETED)
            self._admit([name for name, (_, encoded) in self._held.items() if encoded.done()])
        output: SchedulerOutput = super().schedule(*given)  # type: ignore[misc]
        return output

    def _admit(self, names: list[str]) -> None:
        for name in names:
            request, encoded = self._held.pop(name)
            if not encoded.cancel() and encoded.done() and encoded.exception() is None:
                _replace(request, encoded.result())
            super().add_request(request)  # type: ignore[misc]

    def finish_requests(self, request_ids: Any, finished_status: RequestStatus) -> Any:
        given = {request_ids} if isinstance(request_ids, str) else request_ids
        self._admit([name for name in self._held if given is None or name in given])
        return super().finish_requests(request_ids, finished_status)  # type: ignore[misc]

    def get_request_counts(self) -> tuple[int, int]:
        running, waiting = super().get_request_counts()  # type: ignore[misc]
        return running, waiting + len(self._held)


def _samples(request: Request) -> Tensor:
    samples: Tensor = request.mm_features[0].data["samples"].data
    return samples


def _replace(request: Request, encoded: Tensor) -> None:
    from endpoint.engine.whisper import encoded_item

    request.mm_features[0].data = encoded_item(encoded)
