"""Requests admitted together: several in one step, rather than one in each of several.

A step that admits a request encodes its window and runs the whole decoder outside of CUDA graphs, for all that are
being decoded; at a steady load nearly every step would do so. Why and for how long: docs/decisions/0012-on-a-gpu.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vllm.v1.core.sched.interface import PauseState

from endpoint.engine.prompt import ENCODER_TOKENS

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.core.sched.output import SchedulerOutput

MILLISECONDS_KEY = "admission_milliseconds"  # in vLLM's additional_config: how long a request is held at most; 0: never


class Together:
    """Goes before one of vLLM's schedulers in the bases of a class: requests are admitted together.

    While others run, requests that could be admitted are held until they fill the encoder's batch, or until the time
    that the operator allows is over; it counts from when the first of them could have been admitted. They stay in
    vLLM's own queue, so vLLM counts, aborts and ends them as usual: admission is paused for the length of one step.
    The engine does not wait; it goes on with the steps of the requests that run.
    """

    vllm_config: VllmConfig
    max_num_running_reqs: int
    pause_state: PauseState
    set_pause_state: Callable[[PauseState], None]
    get_request_counts: Callable[[], tuple[int, int]]

    def __init__(self, *given: Any, clock: Callable[[], float] = time.monotonic, **named: Any) -> None:
        super().__init__(*given, **named)
        self._clock = clock
        self._hold_seconds = self.vllm_config.additional_config.get(MILLISECONDS_KEY, 0) / 1000
        windows = self.vllm_config.scheduler_config.max_num_batched_tokens // ENCODER_TOKENS
        self._enough = min(windows, self.max_num_running_reqs)
        self._since: float | None = None  # when a request could have been admitted and was held

    def schedule(self, *given: Any) -> SchedulerOutput:
        before = self.pause_state
        if before is PauseState.UNPAUSED and self._holds():
            self.set_pause_state(PauseState.PAUSED_NEW)
        try:
            output: SchedulerOutput = super().schedule(*given)  # type: ignore[misc]
            return output
        finally:
            self.set_pause_state(before)

    def _holds(self) -> bool:
        running, waiting = self.get_request_counts()
        ready = min(waiting, self.max_num_running_reqs - running)
        if running and ready > 0:
            now = self._clock()
            self._since = now if self._since is None else self._since
            if ready < self._enough and now - self._since < self._hold_seconds:
                return True
        self._since = None
        return False
