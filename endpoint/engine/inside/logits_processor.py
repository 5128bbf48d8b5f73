"""The decoding rules inside vLLM's V1 model runner: a logits processor around endpoint.engine.inside.rules.

A request takes part by SamplingParams.extra_args["whisper"] = {"task": id, "language": id or -1, ...}
(the fields of RowRules); others are left alone.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import torch
from vllm.v1.sample.logits_processor.interface import BatchUpdate, LogitsProcessor, MoveDirectionality

from endpoint.engine.beam import Beam
from endpoint.engine.inside.beams import Beams
from endpoint.engine.inside.blocks import SelfBlocks
from endpoint.engine.inside.rules import Grammar, RowRules
from endpoint.engine.tokens import WhisperTokens

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams

KEY = "whisper"
_last = itemgetter(-1)


class WhisperRules(LogitsProcessor):
    """One Grammar for the batch; the tokens of each row are read from the lists that vLLM keeps."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        rows = vllm_config.scheduler_config.max_num_seqs
        tokens = WhisperTokens.load(vllm_config.model_config.model)
        self._grammar, self._beams = Grammar(tokens, rows, device), Beams(tokens, rows, device)
        self._prefix = 2 if tokens.multilingual else 0  # language and task come before the text
        self.blocks: SelfBlocks | None = None  # set by the worker, once there are blocks
        self._device = device
        self._generated: list[list[int]] = [[] for _ in range(rows)]  # vLLM's own lists of generated ids
        self._seen = np.zeros(rows, np.int64)  # how many of them the grammar has processed

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        if rules := (sampling_params.extra_args or {}).get(KEY):
            RowRules(**rules)

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        if batch_update is None:
            return
        for row in batch_update.removed:
            self._put(row, None, [])
        for row, params, prompt, generated in batch_update.added:
            rules = (params.extra_args or {}).get(KEY)
            self._put(row, RowRules(**rules) if rules else None, generated, prompt)
        for source, target, kind in batch_update.moved:
            swap = kind is MoveDirectionality.SWAP
            self._grammar.move(source, target, swap=swap)
            self._beams.move(source, target, swap=swap)
            generated, seen = self._generated[target], self._seen[target]
            self._generated[target], self._seen[target] = self._generated[source], self._seen[source]
            if swap:
                self._generated[source], self._seen[source] = generated, seen

    def _put(self, row: int, rules: RowRules | None, generated: list[int], prompt: list[int] | None = None) -> None:
        self._grammar.add(row, rules)
        self._beams.add(row, Beam(**rules.beam) if rules and rules.beam else None)
        if rules and rules.choice and prompt:
            self._grammar.choices.give(row, torch.tensor(prompt, device=self._device))
        self._generated[row], self._seen[row] = generated, 0
        for token in generated:  # a request that was preempted comes back with its tokens
            self._advance(np.array([row]), np.array([token]))
            self._seen[row] += 1

    def _advance(self, rows: np.ndarray, generated: np.ndarray) -> None:
        both = torch.from_numpy(np.stack([rows, generated])).to(self._device, non_blocking=True)
        self._grammar.advance(both[0], both[1])

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        n = len(logits)
        lists = self._generated[:n]
        sizes = np.fromiter(map(len, lists), np.int64, n)
        new = np.flatnonzero(sizes > self._seen[:n])
        if len(new) == n:  # nearly always; then rows need no indexing
            generated = torch.from_numpy(np.fromiter(map(_last, lists), np.int64, n))
            self._grammar.advance(slice(n), generated.to(self._device, non_blocking=True))
        elif len(new):
            self._advance(new, np.fromiter(map(_last, map(lists.__getitem__, new)), np.int64, len(new)))
        self._seen[new] += 1
        logits = self._grammar.apply(logits, opening=not sizes.all())
        if self._beams:
            self._search(logits, sizes)
        return logits

    def _search(self, logits: torch.Tensor, sizes: np.ndarray) -> None:
        """sizes: int64 [rows], how many tokens each row has generated."""
        groups, torn = self._beams.groups()
        self._beams.follow(logits, [rows for rows in groups if sizes[rows[0]] < self._prefix])
        if torn:
            self._beams.give_up(logits, torn)
        if ranked := [rows for rows in groups if sizes[rows[0]] >= self._prefix]:
            moves = self._beams.rank(logits, ranked)
            self._grammar.take(moves.rows, moves.parents)
            if self.blocks is not None:
                self.blocks.copy(np.fromiter(chain.from_iterable(ranked), np.int64), moves.parents)
