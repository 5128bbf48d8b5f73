"""Encoders beside the decoder, on a CPU: threads of the engine's process.

vLLM encodes inside the step that admits a request: all requests being decoded wait, and neither the encoder's matrix
products nor the decoder's keep several cores busy. Here each window is encoded by a thread of its own, on one core
while there are more windows than cores, and the steps go on meanwhile. A request is admitted when its window is
encoded.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor, set_num_threads  # vLLM's CPU worker replaces torch.set_num_threads

Encode = Callable[[Tensor, int], Tensor]  # int16 [n] and a number of frames to the encoder's output [frames, width]
_encoders: list[Encode] = []  # of this process's model


def offer(encode: Encode) -> None:
    """Called by the model when it is made."""
    _encoders[:] = [encode]


def offered() -> Encode | None:
    return _encoders[0] if _encoders else None


KEPT = 32  # encoder outputs of shared windows; 1.5 MB each with whisper-base, 4 with large-v3


class EncodeAhead:
    """Threads that encode, one for every core. Used by one thread.

    A window that several requests share is encoded once: the last KEPT outputs of such windows are kept.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self.cores = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self.cores, thread_name_prefix="encode")
        self._kept: OrderedDict[str, Future[Tensor]] = OrderedDict()
        self._asked: set[Future[Tensor]] = set()  # that wait or are being encoded

    def start(self, samples: Tensor, frames: int, shared: str = "") -> Future[Tensor]:
        """frames: of the output. shared: the same for requests of the same samples; empty for one of its own."""
        kept = self._kept.get(shared)
        if kept is not None and not (kept.done() and kept.exception()):
            self._kept.move_to_end(shared)
            return kept
        future = self._pool.submit(self._run, samples, frames)
        if shared:
            self._kept[shared] = future
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._asked.add(future)
        future.add_done_callback(self._asked.discard)
        return future

    def give_up(self, future: Future[Tensor]) -> None:
        """The request ended before its window was encoded. A shared window is encoded all the same: others may wait."""
        if future not in self._kept.values():
            future.cancel()

    def _run(self, samples: Tensor, frames: int) -> Tensor:
        set_num_threads(max(1, self.cores // max(1, len(self._asked))))  # of this thread
        with torch.inference_mode():
            return self._encode(samples, frames)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
