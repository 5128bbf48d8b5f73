"""Keys and values of the decoder's cross-attention: written to vLLM's blocks when a request begins.

vLLM computes them inside the step that admits a request, which then runs without CUDA graphs. Written before the step,
they make that step like any other: its rows have nothing but tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from endpoint.engine.attention import KEEP


class Kept:
    """The last encoder outputs of windows whose keys begin with KEEP, until they are taken."""

    def __init__(self) -> None:
        self._outputs: OrderedDict[str, Tensor] = OrderedDict()
        self.most: int | None = None  # until the first API process sets it

    def put(self, key: str, output: Tensor) -> None:
        if key.startswith(KEEP) and self.most:
            self._outputs[key] = output.clone()  # a view would hold the whole batch
            if len(self._outputs) > self.most:
                self._outputs.popitem(last=False)

    def pop(self, key: str) -> Tensor | None:
        return self._outputs.pop(key, None)


kept = Kept()  # of this process


class CrossCache:
    """The cross-attention of vLLM's Whisper decoder."""

    def __init__(self, decoder: Any) -> None:
        self._layers = [layer.encoder_attn for layer in decoder.layers]

    @torch.inference_mode()
    def write(self, outputs: Sequence[Tensor], blocks: Sequence[Sequence[int]], block_size: int) -> None:
        """outputs: [frames, width] of each window. blocks: of each, as many as hold its frames."""
        encoded = torch.cat(list(outputs))
        slots = [_slots(some, len(output), block_size) for some, output in zip(blocks, outputs, strict=True)]
        where = torch.from_numpy(np.concatenate(slots)).to(encoded.device, non_blocking=True)
        for layer in self._layers:
            both, _ = layer.kv_proj(encoded)
            keys, values = (part.view(len(part), layer.num_kv_heads, layer.head_dim) for part in both.chunk(2, -1))
            attention = layer.attn
            cache = attention.kv_cache[0] if isinstance(attention.kv_cache, list | tuple) else attention.kv_cache
            attention.impl.do_kv_cache_update(attention, keys, values, cache, where)


def _slots(blocks: Sequence[int], frames: int, block_size: int) -> np.ndarray:
    """int64 [frames]: where each frame's keys are in the cache."""
    frame = np.arange(frames)
    found: np.ndarray = np.asarray(blocks, np.int64)[frame // block_size] * block_size + frame % block_size
    return found


def write_nothing() -> None:
    """Tell vLLM's cross-attention that no row of a step has keys and values to be written."""
    from vllm.model_executor.layers.attention import cross_attention

    def nowhere(
        encoder_seq_lens: np.ndarray, block_table_tensor: Tensor, kv_cache_spec: Any, device: torch.device
    ) -> Tensor:
        return torch.empty(0, dtype=torch.int64, device=device)

    cross_attention._get_cross_slot_mapping = nowhere
