"""vLLM's scheduler, with three differences.

The output of a request leaves the engine once, when it is complete. vLLM sends every token with its scores to the API's
process, and each of these messages costs time on the API's event loop. No token is needed before its window is done.

A request is admitted when its window has been encoded, see endpoint/engine/inside/encode_first.py.

Requests are admitted when they surely fit, and beams of one window together, see endpoint/engine/inside/groups.py.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.outputs import LogprobsLists

from endpoint.engine.inside import steps
from endpoint.engine.inside.encode_first import EncodesInThreads, EncodesOnStream
from endpoint.engine.inside.groups import Groups, beam_of

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs
    from vllm.v1.outputs import ModelRunnerOutput
    from vllm.v1.request import Request

STATS_SECONDS = 0.25  # between two messages of vLLM's numbers, while there is work
LATER = 3  # scores that are read of every step after the first: of the token, and of the first two ids asked for
BEAM_LATER = 6  # the same for beams: of the token, and of what endpoint/engine/inside/beams.py carries


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


class OnCpu(EncodesInThreads, Groups, _WholeOutputs, Scheduler):
    pass


class OnCpuAsync(EncodesInThreads, Groups, _WholeOutputs, AsyncScheduler):
    pass


class OnGpu(EncodesOnStream, Groups, _WholeOutputs, Scheduler):
    pass


class OnGpuAsync(EncodesOnStream, Groups, _WholeOutputs, AsyncScheduler):
    pass


def make(*, vllm_config: VllmConfig, **named: Any) -> Scheduler:
    """The scheduler for the way the engine was set up; vLLM calls this as it would call a scheduler's class."""
    gpu, later = torch.cuda.is_available(), vllm_config.scheduler_config.async_scheduling
    kinds: dict[tuple[bool, bool], type[Scheduler]] = {
        (False, False): OnCpu,
        (False, True): OnCpuAsync,
        (True, False): OnGpu,
        (True, True): OnGpuAsync,
    }
    return kinds[gpu, later](vllm_config=vllm_config, **named)
