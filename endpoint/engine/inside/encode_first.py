"""Requests are admitted when their windows have been encoded: a scheduler's mixins, for a CPU and for a GPU.

The scheduler and the model share a process. A request is held here while its window is encoded
(endpoint/engine/inside/encode_ahead.py), then goes on to vLLM's queue. When it begins, its sound is written to the
blocks of the cross-attention that vLLM gave it (cross_cache.py). So no step encodes anything.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

import torch
from torch import set_num_threads  # vLLM's CPU worker replaces torch.set_num_threads

from endpoint.engine.inside.cross_cache import CrossCache, kept
from endpoint.engine.inside.encode_ahead import EncodeAhead, InThreads, offered
from endpoint.engine.inside.encode_on_stream import CudaEncoder, OnStream
from endpoint.engine.inside.groups import follows
from endpoint.engine.inside.sound import frames_of, key_of, samples_of, shared_of
from endpoint.engine.prompt import ENCODER_TOKENS

if TYPE_CHECKING:
    from torch import Tensor
    from vllm.config import VllmConfig
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.request import Request, RequestStatus

LONGEST_HOLD = 0.3  # seconds a step waits for windows that are being encoded, on a CPU
ROWS_TOGETHER = 8  # rows from which on no step waits
POLL_SECONDS = 0.002  # longest wait, in seconds, of an engine with nothing else to do: it has to look for new requests


class EncodesFirst(ABC):
    """Goes before Groups in the bases of a class."""

    vllm_config: VllmConfig
    requests: dict[str, Any]
    max_num_running_reqs: int
    _ahead: EncodeAhead
    _cross_block_ids: Any  # of Groups

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        model = offered()
        if model is None:
            raise RuntimeError("the model is in another process; this server uses one device for each engine")
        self._model, self._cache = model, CrossCache(model.model.decoder)
        self._held: dict[str, tuple[Request, Future[Tensor]]] = {}  # being encoded
        self._encoded: dict[str, Tensor] = {}  # of requests that have not begun

    def add_request(self, request: Request) -> None:
        if follows(request):  # has no sound of its own
            super().add_request(request)  # type: ignore[misc]
            return
        encoded = self._ahead.start(samples_of(request), frames_of(request), shared_of(request))
        self._held[request.request_id] = request, encoded

    def schedule(self, *given: Any) -> SchedulerOutput:
        self._wait()
        output: SchedulerOutput = super().schedule(*given)  # type: ignore[misc]
        self._write([new.req_id for new in output.scheduled_new_reqs])
        return output

    @abstractmethod
    def _wait(self) -> None:
        """Admit what has been encoded. Waits where nothing else is to be done."""

    def _admit_encoded(self) -> None:
        self._admit([name for name, (_, encoded) in self._held.items() if encoded.done()])

    def _admit(self, names: list[str]) -> None:
        for name in names:
            request, encoded = self._held.pop(name)
            self._ahead.give_up(encoded)  # does nothing to one that is done
            if encoded.done() and not encoded.cancelled() and encoded.exception() is None:
                self._encoded[name] = encoded.result()
            super().add_request(request)  # type: ignore[misc]

    def _write(self, begun: list[str]) -> None:
        """Give the requests that begin with this step their sound."""
        leaders = [name for name in begun if not follows(self.requests[name])]
        if not leaders:
            return
        outputs = [self._output(name) for name in leaders]
        blocks, sizes = zip(*map(self._cross_block_ids, leaders), strict=True)
        self._cache.write(outputs, blocks, sizes[0])
        for name, output in zip(leaders, outputs, strict=True):
            kept.put(key_of(self.requests[name]), output)

    def _output(self, name: str) -> Tensor:
        """The encoder's output of a request. What could not be encoded before is tried once more."""
        if (encoded := self._encoded.pop(name, None)) is not None:
            return encoded
        request = self.requests[name]
        with torch.inference_mode():
            samples = samples_of(request)[None].to(next(self._model.parameters()).device)
            return self._model.encode(samples, frames_of(request))[0]

    def finish_requests(self, request_ids: Any, finished_status: RequestStatus) -> Any:
        given = {request_ids} if isinstance(request_ids, str) else request_ids
        self._admit([name for name in self._held if given is None or name in given])
        for name in [name for name in self._encoded if given is None or name in given]:
            del self._encoded[name]
        return super().finish_requests(request_ids, finished_status)  # type: ignore[misc]

    def held(self) -> dict[str, int]:
        counted: dict[str, int] = super().held()  # type: ignore[misc]
        return {**counted, "encoded": len(self._held) + len(self._encoded)}

    def shutdown(self) -> None:
        self._ahead.close()
        super().shutdown()  # type: ignore[misc]

    def has_unfinished_requests(self) -> bool:
        return bool(self._held) or bool(super().has_unfinished_requests())  # type: ignore[misc]

    def get_request_counts(self) -> tuple[int, int]:
        running, waiting = super().get_request_counts()  # type: ignore[misc]
        return running, waiting + len(self._held)


class EncodesInThreads(EncodesFirst):
    """On a CPU. A step of few rows waits for more while all cores encode."""

    _ahead: InThreads

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._ahead = InThreads(self._model)
        self._threads = 0  # of a step, as set last

    def _wait(self) -> None:
        end = time.monotonic() + LONGEST_HOLD
        while self._held:
            idle = not self.requests
            if idle or self._holds(end - time.monotonic()):
                some = [encoded for _, encoded in self._held.values()]
                wait(some, POLL_SECONDS if idle else LONGEST_HOLD, FIRST_COMPLETED)
            self._admit_encoded()
            if idle or not self._holds(end - time.monotonic()):
                break
        self._take_cores()

    def _take_cores(self) -> None:
        """A step leaves one core to the encoders while there is something to encode."""
        threads = max(1, self._ahead.cores - 1) if self._held else self._ahead.cores
        if threads != self._threads:
            self._threads = threads
            set_num_threads(threads)

    def _holds(self, left: float) -> bool:
        """Whether this step waits for windows that are being encoded, `left` seconds at most.

        A step costs nearly as much for one row as for eight: its time goes into reading the weights. While every
        core has a window to encode, a step of few rows waits for more.
        """
        rows = min(ROWS_TOGETHER, self.max_num_running_reqs)
        return left > 0 and len(self._held) >= self._ahead.cores and len(self.requests) < rows


class EncodesOnStream(EncodesFirst):
    """On a GPU. No more windows are encoded than can soon begin: the outputs of others would take memory."""

    _ahead: OnStream

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        config = self.vllm_config
        self._windows = max(1, config.scheduler_config.max_num_batched_tokens // ENCODER_TOKENS)
        graphs = not config.model_config.enforce_eager
        self._ahead = OnStream(CudaEncoder(self._model, self._windows, graphs=graphs))

    def _wait(self) -> None:
        self._ahead.turn(self._windows - len(self._encoded))
        self._admit_encoded()
        while self._held and not self.requests and not self._encoded:
            self._ahead.turn(self._windows, wait=True)
            self._admit_encoded()
