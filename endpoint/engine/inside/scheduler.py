"""vLLM's scheduler, with four differences.

The output of a request leaves the engine once, when it is complete. vLLM sends every token with its scores to the API's
process, and each of these messages costs time on the API's event loop. No token is needed before its window is done.

On a CPU, a request is admitted when its window has been encoded, see endpoint/engine/inside/encode_ahead.py, and a step
of few rows waits for more while all cores encode. Elsewhere several are admitted in one step rather than one
in each of several, see endpoint/engine/inside/batch_admission.py.

Requests are admitted when they surely fit, and beams of one window together, see endpoint/engine/inside/groups.py.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import set_num_threads  # vLLM's CPU worker replaces torch.set_num_threads
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.outputs import LogprobsLists

from endpoint.engine.inside import steps
from endpoint.engine.inside.batch_admission import Together
from endpoint.engine.inside.encode_ahead import EncodeAhead, offered
from endpoint.engine.inside.groups import Groups, beam_of, follows
from endpoint.engine.inside.model import frames_of, put_encoded, samples_of

if TYPE_CHECKING:
    from torch import Tensor
    from vllm.config import VllmConfig
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs
    from vllm.v1.outputs import ModelRunnerOutput
    from vllm.v1.request import Request, RequestStatus

STATS_SECONDS = 0.25  # between two messages of vLLM's numbers, while there is work
LONGEST_HOLD = 0.3  # seconds a step waits for windows that are being encoded
ROWS_TOGETHER = 8  # rows from which on no step waits
POLL_SECONDS = 0.002  # longest wait, in seconds, of an engine with nothing else to do: it has to look for new requests
SHARED = "shared"  # in SamplingParams.extra_args: what requests of the same sound have in common
LATER = 3  # scores that are read of every step after the first: of the token, and of the first two ids asked for
BEAM_LATER = 6  # the same for beams: of the token, and of what endpoint/engine/inside/beams.py carries


def shared_of(request: Request) -> str:
    params = request.sampling_params
    return (params.extra_args or {}).get(SHARED, "") if params else ""


class Output:
    """The outputs of one request so far, of which the last is yet to come. asked: ids whose scores vLLM returns.

    later: how many scores are read of every step after the first.
    """

    def __init__(self, asked: list[int] | None, later: int = LATER) -> None:
        self._asked, self._later = [] if asked is None else asked, later
        self._width = 1 + len(self._asked)
        self._parts: list[EngineCoreOutput] = []

    def add(self, part: EngineCoreOutput) -> EngineCoreOutput | None:
        """The whole, once `part` is the last."""
        if not self._parts:
            # vLLM's V1 runner reads this very list at every step, where it is in the same process: only the first has
            # to have the scores of all languages.
            del self._asked[self._later - 1 :]
        self._parts.append(part)
        return None if part.finish_reason is None else self._whole()

    def _whole(self) -> EngineCoreOutput:
        """The last part, with the tokens and scores of all.

        Scores are one row after the other of `width`, for vLLM cuts a row there: all of the first step, `later` of each
        step behind it, and zeros.
        """
        whole = self._parts[-1]
        whole.new_token_ids = [token for part in self._parts for token in part.new_token_ids]
        whole.prefill_stats = self._parts[0].prefill_stats
        whole.events = [event for part in self._parts for event in part.events or ()] or None
        scores = [part.new_logprobs.logprobs for part in self._parts if part.new_logprobs is not None]
        if scores:
            # vLLM pads a step's scores to the longest list asked for in its batch.
            flat = np.concatenate(
                [scores[0][0, : self._width], *(rows[:, : self._later].ravel() for rows in scores[1:])]
            )
            table = np.zeros((-(-flat.size // self._width), self._width), np.float32)
            table.flat[: flat.size] = flat
            whole.new_logprobs = LogprobsLists(np.zeros(table.shape, np.int32), table, np.zeros(len(table), np.int32))
        return whole


class _WholeOutputs:
    """Goes before one of vLLM's schedulers in the bases of a class."""

    requests: dict[str, Request]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._outputs: dict[str, Output] = {}
        self._stats_at = 0.0  # when vLLM's numbers were sent last

    def add_request(self, request: Request) -> None:
        super().add_request(request)  # type: ignore[misc]
        params = request.sampling_params
        later = BEAM_LATER if beam_of(request) else LATER
        self._outputs[request.request_id] = Output(params.logprob_token_ids if params else None, later)

    def schedule(self, *given: Any) -> SchedulerOutput:
        output: SchedulerOutput = super().schedule(*given)  # type: ignore[misc]
        steps.count(len(output.num_scheduled_tokens))
        return output

    def update_from_output(
        self, scheduler_output: SchedulerOutput, model_runner_output: ModelRunnerOutput
    ) -> dict[int, EngineCoreOutputs]:
        found: dict[int, EngineCoreOutputs] = super().update_from_output(  # type: ignore[misc]
            scheduler_output, model_runner_output
        )
        for message in found.values():
            wholes = [self._outputs[part.request_id].add(part) for part in message.outputs]
            message.outputs = [whole for whole in wholes if whole is not None]
        for gone in self._outputs.keys() - self.requests.keys():  # done, or given up
            del self._outputs[gone]
        return {
            client: message
            for client, message in found.items()
            if message.outputs or message.finished_requests or message.scheduler_stats
        }

    def make_stats(self, *given: Any, **named: Any) -> Any:
        """vLLM's numbers for its metrics: at most some times a second, and when nothing is left to do.

        What they count is kept until they are made. Each message costs time on the API's event loop.
        """
        now = time.monotonic()
        if self.requests and now - self._stats_at < STATS_SECONDS:
            return None
        self._stats_at = now
        return super().make_stats(*given, **named)  # type: ignore[misc]


class _EncodesFirst:
    """Goes before one of vLLM's schedulers in the bases of a class, in a process that holds the model."""

    requests: dict[str, Any]
    max_num_running_reqs: int

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        encode = offered()
        assert encode is not None
        self._ahead = EncodeAhead(encode)
        self._held: dict[str, tuple[Request, Future[Tensor]]] = {}
        self._threads = 0  # of a step, as set last

    def add_request(self, request: Request) -> None:
        if follows(request):  # has no sound of its own
            super().add_request(request)  # type: ignore[misc]
            return
        encoded = self._ahead.start(samples_of(request), frames_of(request), shared_of(request))
        self._held[request.request_id] = request, encoded

    def schedule(self, *given: Any) -> SchedulerOutput:
        end = time.monotonic() + LONGEST_HOLD
        while self._held:
            idle = not self.requests
            if idle or self._holds(end - time.monotonic()):
                some = [encoded for _, encoded in self._held.values()]
                wait(some, POLL_SECONDS if idle else LONGEST_HOLD, FIRST_COMPLETED)
            self._admit([name for name, (_, encoded) in self._held.items() if encoded.done()])
            if idle or not self._holds(end - time.monotonic()):
                break
        self._take_cores()
        output: SchedulerOutput = super().schedule(*given)  # type: ignore[misc]
        return output

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

    def _admit(self, names: list[str]) -> None:
        for name in names:
            request, encoded = self._held.pop(name)
            self._ahead.give_up(encoded)  # does nothing to one that is done
            if encoded.done() and not encoded.cancelled() and encoded.exception() is None:
                put_encoded(request, encoded.result())
            super().add_request(request)  # type: ignore[misc]

    def finish_requests(self, request_ids: Any, finished_status: RequestStatus) -> Any:
        given = {request_ids} if isinstance(request_ids, str) else request_ids
        self._admit([name for name in self._held if given is None or name in given])
        return super().finish_requests(request_ids, finished_status)  # type: ignore[misc]

    def shutdown(self) -> None:
        self._ahead.close()
        super().shutdown()  # type: ignore[misc]

    def has_unfinished_requests(self) -> bool:
        return bool(self._held) or bool(super().has_unfinished_requests())  # type: ignore[misc]

    def get_request_counts(self) -> tuple[int, int]:
        running, waiting = super().get_request_counts()  # type: ignore[misc]
        return running, waiting + len(self._held)


class WholeOutputs(Together, Groups, _WholeOutputs, Scheduler):
    pass


class WholeOutputsAsync(Together, Groups, _WholeOutputs, AsyncScheduler):
    pass


class OnCpu(_EncodesFirst, Groups, _WholeOutputs, Scheduler):
    pass


def make(*, vllm_config: VllmConfig, **named: Any) -> Scheduler:
    """The scheduler for the way the engine was set up; vLLM calls this as it would call a scheduler's class."""
    kind: type[Scheduler] = WholeOutputs
    if vllm_config.scheduler_config.async_scheduling:
        kind = WholeOutputsAsync
    elif offered() is not None:
        kind = OnCpu
    return kind(vllm_config=vllm_config, **named)
