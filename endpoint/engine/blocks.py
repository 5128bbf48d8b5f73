"""What the decoder keeps of a row's text, copied to another row: self-attention's keys and values, in vLLM's blocks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class SelfBlocks:
    """The blocks of the decoder's self-attention in vLLM's V1 model runner."""

    def __init__(self, runner: Any) -> None:
        from vllm.v1.kv_cache_interface import CrossAttentionSpec

        config = runner.kv_cache_config
        groups = list(enumerate(config.kv_cache_groups))
        own = [(k, group) for k, group in groups if not isinstance(group.kv_cache_spec, CrossAttentionSpec)]
        ((number, group),) = own
        self._table = runner.input_batch.block_table[number]
        layers = runner.compilation_config.static_forward_context
        self._caches = [_blocks_first(layers[name].kv_cache, config.num_blocks) for name in group.layer_names]

    def copy(self, rows: Tensor, sources: Tensor) -> None:
        """Let `rows` have the keys and values of `sources`, both int64 [n]; rows may be sources of others."""
        if rows.device.type == "cpu":  # else it would be waited for, and the device copies faster than that
            moved = rows != sources
            rows, sources = rows[moved], sources[moved]
            if not len(rows):
                return
        used = int(self._table.num_blocks_per_row.max())
        table = self._table.get_device_tensor(self._table.max_num_reqs)[:, :used].long()
        to, of = table[rows].flatten(), table[sources].flatten()
        for cache in self._caches:
            cache[to] = cache[of]


def _blocks_first(cache: Any, blocks: int) -> Tensor:
    """A view of a layer's cache whose first dimension counts blocks. Raises ValueError where none does."""
    cache = cache[0] if isinstance(cache, list | tuple) else cache
    for dimension, size in enumerate(cache.shape[:2]):
        if size == blocks:
            first: Tensor = cache.movedim(dimension, 0)
            return first.view(torch.uint8) if first.element_size() == 1 else first  # fp8 cannot be indexed
    raise ValueError(f"the cache of a layer has the shape {tuple(cache.shape)}, and no dimension of {blocks} blocks")
