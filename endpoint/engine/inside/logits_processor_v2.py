"""The decoding rules inside vLLM's V2 model runner, the newer one for GPUs; logits_processor.py is the same for V1.

Here a row is a request's slot, and the last generated token is the one fed to the model, which is on the device
already: a step needs nothing from the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsProcessor

from endpoint.engine.inside.rules import Grammar, RowRules
from endpoint.engine.tokens import WhisperTokens

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams
    from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsContext, LogitsProcRequestState

KEY = "whisper"  # of SamplingParams.extra_args, as in logits_processor.py


class WhisperRules(LogitsProcessor):
    """One Grammar, a row per request slot. `_seen` counts the tokens of a slot that its row has processed."""

    def __init__(self, vllm_config: VllmConfig, req_states: LogitsProcRequestState) -> None:
        rows = req_states.max_num_reqs
        self._states, self._nobody = req_states, rows  # one more row, which is never read
        self._grammar = Grammar(WhisperTokens.load(vllm_config.model_config.model), rows + 1, req_states.device)
        self._seen = torch.zeros(rows, dtype=torch.long, device=req_states.device)
        self._prompt = torch.zeros(rows, dtype=torch.long, device=req_states.device)
        self._new: list[int] = []

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        if rules := (sampling_params.extra_args or {}).get(KEY):
            RowRules(**rules)

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        rules = (sampling_params.extra_args or {}).get(KEY)
        self._grammar.add(req_idx, RowRules(**rules) if rules else None)
        self._seen[req_idx] = 0
        if rules:
            self._new.append(req_idx)
        return bool(rules)

    def apply_staged_writes(self) -> None:
        """A request that was preempted comes back with its generated tokens behind its prompt."""
        states = self._states
        for slot in self._new:
            prompt, filled = int(states.prompt_len.np[slot]), int(states.prefill_len.np[slot])
            self._prompt[slot] = prompt
            row = torch.tensor([slot], device=states.device)
            self._grammar.choices.give(slot, states.all_token_ids.gpu[slot, :prompt].long())
            for at in range(prompt, filled):
                self._grammar.advance(row, states.all_token_ids.gpu[slot, at : at + 1].long())
            self._seen[slot] = filled - prompt
        self._new.clear()

    def apply(self, logits: torch.Tensor, ctx: LogitsContext) -> torch.Tensor:
        slots = ctx.expanded_idx_mapping.long()
        generated = ctx.pos.long() + 1 - self._prompt[slots]  # tokens generated so far, the one fed now included
        new = generated > self._seen[slots]
        self._grammar.advance(torch.where(new, slots, self._nobody), ctx.input_ids.long())
        self._seen[slots] = torch.maximum(generated, self._seen[slots])
        return self._grammar.apply(logits, slots)
