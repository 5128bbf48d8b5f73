"""Encoders beside the decoder, on a CPU: threads of the engine's process.

vLLM encodes inside the step that admits a request: every answer under way waits, and neither the encoder's products nor
the decoder's keep several cores busy. Here each window is encoded by a thread of its own, on one core while there are
more windows than cores, and the steps go on meanwhile; a request is admitted when it is done.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor, set_num_threads  # vLLM's CPU worker takes the name in torch away, for its main thread's sake

Encode = Callable[[Tensor], Tensor]  # int16 [n] to the encoder's output [1500, width]
_encoders: list[Encode] = []  # of this process's model


def offer(encode: Encode) -> None:
    """Called by the model when it is made."""
    _encoders[:] = [encode]


def offered() -> Encode | None:
    return _encoders[0] if _encoders else None


KEPT = 32  # encoder outputs of shared windows; 1.5 MB each with whisper-base, 4 with large-v3


class EncodeAhead:
    """Threads that encode, one for every core. Used by one thread.

    What several requests share is encoded once: its output is kept while it is among the last KEPT.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self.cores = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self.cores, thread_name_prefix="encode")
        self._kept: OrderedDict[str, Future[Tensor]] = OrderedDict()
        self._asked: set[Future[Tensor]] = set()  # that wait or are being encoded

    def start(self, samples: Tensor, shared: str = "") -> Future[Tensor]:
        """shared: the same for requests of the same samples; empty for one of its own."""
        kept = self._kept.get(shared)
        if kept is not None and not (kept.done() and kept.exception()):
            self._kept.move_to_end(shared)
            return kept
        future = self._pool.submit(self._run, samples)
        if shared:
            self._kept[shared] = future
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._asked.add(future)
        future.add_done_callback(self._asked.discard)
        return future

    def give_up(self, future: Future[Tensor]) -> None:
        """A request of this future has ended before it; another may wait for a shared one."""
        if future not in self._kept.values():
            future.cancel()

    def _run(self, samples: Tensor) -> Tensor:
        set_num_threads(max(1, self.cores // max(1, len(self._asked))))  # of this thread
        with torch.inference_mode():
            return self._encode(samples)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
