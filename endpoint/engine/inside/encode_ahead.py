"""Windows are encoded beside the decoder, before their requests are admitted.

vLLM encodes inside the step that admits a request: all requests being decoded wait. On a CPU neither the encoder's
matrix products nor the decoder's keep several cores busy; on a GPU such a step also runs without CUDA graphs. Here
encoders run in threads of the engine's process (InThreads), or on a stream of the GPU (encode_on_stream.py), while the
steps go on.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor, set_num_threads  # vLLM's CPU worker replaces torch.set_num_threads

from endpoint.engine.prompt import ENCODER_TOKENS


class Model(Protocol):
    """As endpoint/engine/inside/model.py has it."""

    model: Any

    def encode(self, samples: Tensor, frames: int = ENCODER_TOKENS) -> Tensor: ...

    def parameters(self) -> Any: ...


_models: list[Model] = []  # of this process


def offer(model: Model) -> None:
    """Called by the model when it is made."""
    _models[:] = [model]


def offered() -> Model | None:
    return _models[0] if _models else None


KEPT = 32  # encoder outputs of shared windows; 1.5 MB each with whisper-base, 4 with large-v3


class EncodeAhead(ABC):
    """Used by one thread. A window that several requests share is encoded once: the last KEPT such outputs are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Future[Tensor]] = OrderedDict()

    def start(self, samples: Tensor, frames: int, shared: str = "") -> Future[Tensor]:
        """samples: int16 [n]. The future's result: [frames, width].

        shared: the same for requests of the same samples and frames; empty for one of its own.
        """
        kept = self._kept.get(shared)
        if kept is not None and not (kept.done() and kept.exception()):
            self._kept.move_to_end(shared)
            return kept
        future = self._begin(samples, frames)
        if shared:
            self._kept[shared] = future
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return future

    @abstractmethod
    def _begin(self, samples: Tensor, frames: int) -> Future[Tensor]:
        """Encode a window, now or later."""

    def give_up(self, future: Future[Tensor]) -> None:
        """The request ended before its window was encoded. A shared window is encoded all the same: others may wait."""
        if future not in self._kept.values():
            future.cancel()

    @abstractmethod
    def close(self) -> None:
        """What was not begun is cancelled."""


class InThreads(EncodeAhead):
    """Each window is encoded by a thread of its own, on one core while there are more windows than cores."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model
        self.cores = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self.cores, thread_name_prefix="encode")
        self._asked: set[Future[Tensor]] = set()  # that wait or are being encoded

    def _begin(self, samples: Tensor, frames: int) -> Future[Tensor]:
        future = self._pool.submit(self._run, samples, frames)
        self._asked.add(future)
        future.add_done_callback(self._asked.discard)
        return future

    def _run(self, samples: Tensor, frames: int) -> Tensor:
        set_num_threads(max(1, self.cores // max(1, len(self._asked))))  # of this thread
        with torch.inference_mode():
            return self._model.encode(samples[None], frames)[0]

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
