"""Encoders beside the decoder, on a GPU: several windows at once, on a stream of their own, from CUDA graphs.

The decoder's steps wait for memory and the encoder computes, so that both together take less time than one after the
other. A graph of the encoder is replayed by one call: run operation by operation, its 32 layers keep the engine's only
thread busy for longer than the GPU, and the steps wait for that thread too.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from endpoint.engine.inside.encode_ahead import EncodeAhead, Model
from endpoint.engine.prompt import ENCODER_TOKENS
from endpoint.types import WINDOW_SAMPLES

log = logging.getLogger(__name__)


class Event(Protocol):
    """As torch.cuda.Event."""

    def query(self) -> bool: ...

    def synchronize(self) -> None: ...


class Device(Protocol):
    """What encodes windows of one length at once: int16 [n] each, to [b, frames, width]."""

    def encode(self, sounds: Sequence[Tensor], frames: int) -> tuple[Tensor, Event]:
        """Begin; the event says when the result is there."""
        ...

    def batch(self, count: int, frames: int) -> int:
        """How many of `count` windows to encode at once."""
        ...


@dataclass(frozen=True)
class _Asked:
    future: Future[Tensor]
    samples: Tensor
    frames: int


class OnStream(EncodeAhead):
    """One batch at a time; `turn` begins the next and hands out what is done."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device
        self._waiting: deque[_Asked] = deque()
        self._running: tuple[Event, Tensor, list[_Asked]] | None = None

    def _begin(self, samples: Tensor, frames: int) -> Future[Tensor]:
        asked = _Asked(Future(), samples, frames)
        self._waiting.append(asked)
        return asked.future

    def turn(self, room: int, *, wait: bool = False) -> None:
        """Hand out the batch that is done, and begin another of at most `room` windows.

        wait: until the batch that is running, or begun by this call, is done.
        """
        if self._running is None:
            self._launch(room)
        if self._running is not None and (wait or self._running[0].query()):
            event, outputs, batch = self._running
            event.synchronize()
            self._running = None
            for asked, output in zip(batch, outputs, strict=True):
                asked.future.set_result(output)
            self._launch(room - len(batch))

    def _launch(self, room: int) -> None:
        waiting = [asked for asked in self._waiting if not asked.future.cancelled()]
        alike = [asked for asked in waiting if asked.frames == waiting[0].frames][: max(0, room)]
        if alike:
            frames = alike[0].frames
            batch = alike[: self._device.batch(len(alike), frames)]
            batch = [asked for asked in batch if asked.future.set_running_or_notify_cancel()]
            waiting = [asked for asked in waiting if asked not in batch]
            try:
                outputs, event = self._device.encode([asked.samples for asked in batch], frames)
                self._running = event, outputs, batch
            except RuntimeError as error:  # such as too little memory for so many: each is tried once more by itself
                for asked in batch:
                    asked.future.set_exception(error)
        self._waiting = deque(waiting)

    def close(self) -> None:
        for asked in self._waiting:
            asked.future.cancel()


class CudaEncoder:
    """The model's encoder on a stream of the GPU. most: windows at once."""

    def __init__(self, model: Model, most: int, *, graphs: bool) -> None:
        self._model, self._most = model, most
        self._place = next(model.parameters()).device
        self._stream = torch.cuda.Stream(self._place)  # type: ignore[no-untyped-call]
        self._graphs: dict[int, Callable[[Sequence[Tensor]], Tensor]] = {}
        if graphs:
            self._capture()

    def _capture(self) -> None:
        """Graphs of 1, 2, 4, ... windows. Without them encoding works too, more slowly."""
        size, pool = 1, torch.cuda.graph_pool_handle()
        try:
            while size <= self._most:
                self._graphs[size] = _graph(self._model, size, self._place, self._stream, pool)
                size *= 2
        except RuntimeError as error:
            log.warning("the encoder runs without CUDA graphs from %d windows on: %s", size, error)

    def batch(self, count: int, frames: int) -> int:
        fitting = [size for size in self._graphs if size <= count]
        return max(fitting) if fitting and frames == ENCODER_TOKENS else min(count, self._most)

    def encode(self, sounds: Sequence[Tensor], frames: int) -> tuple[Tensor, Event]:
        graph = self._graphs.get(len(sounds)) if frames == ENCODER_TOKENS else None
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            if graph is not None:
                outputs = graph(sounds)
            else:
                padded = pad_sequence(list(sounds), batch_first=True).to(self._place, non_blocking=True)
                outputs = self._model.encode(padded, frames)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._stream)
        outputs.record_stream(torch.cuda.current_stream(self._place))  # where it is read
        return outputs, event


def _graph(
    model: Model, size: int, place: torch.device, stream: torch.cuda.Stream, pool: Any
) -> Callable[[Sequence[Tensor]], Tensor]:
    """A function from `size` windows, int16 [n] each, to the encoder's output [size, ENCODER_TOKENS, width]."""
    with torch.inference_mode():
        given = torch.zeros(size, WINDOW_SAMPLES, dtype=torch.int16, device=place)
        stream.wait_stream(torch.cuda.current_stream(place))
        with torch.cuda.stream(stream):
            model.encode(given)  # what is set up at first use cannot be captured
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            outputs = model.encode(given)

    def run(sounds: Sequence[Tensor]) -> Tensor:
        given.zero_()
        for row, samples in zip(given, sounds, strict=True):
            row[: len(samples)].copy_(samples, non_blocking=True)
        graph.replay()
        return outputs.clone()

    return run
