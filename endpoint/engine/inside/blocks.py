"""Copies self-attention's keys and values, in vLLM's blocks, from row to row: beams take over each other's texts."""

from __future__ import annotations

from typing import Any

import numpy as np
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
        caches = [layers[name].kv_cache for name in group.layer_names]
        self._caches = [part for cache in caches for part in _flat(cache, config.num_blocks)]

    def copy(self, rows: np.ndarray, sources: Tensor) -> None:
        """Let `rows` have the keys and values of `sources`, both int64 [n]; rows may be sources of others.

        A row has as many blocks as its source: the beams of a window have texts of one length. No other block is
        copied: behind a row's own, its table can still name those of a request before it, which are now another's.
        """
        if sources.device.type == "cpu":  # a device's host would have to wait for this; copying all rows is faster
            moved = np.flatnonzero(rows != sources.numpy())
            rows, sources = rows[moved], sources[moved]
        counts = self._table.num_blocks_per_row[rows]
        row = np.repeat(np.arange(len(rows)), counts)
        column = np.arange(len(row)) - np.repeat(counts.cumsum() - counts, counts)
        if not len(row):
            return
        indices = torch.from_numpy(np.stack([rows[row], row, column]))
        own, row, column = indices.to(sources.device, non_blocking=True)
        table = self._table.get_device_tensor(self._table.max_num_reqs)
        to, of = table[own, column].long(), table[sources[row], column].long()
        for cache in self._caches:
            cache.index_copy_(0, to, cache.index_select(0, of))


def _flat(cache: Any, blocks: int) -> list[Tensor]:
    """Views of a layer's cache, int64 [blocks, n] where that goes: whole words are copied faster than bytes.

    Raises ValueError for a cache whose first dimensions do not count blocks, or whose blocks have holes.
    """
    cache = cache[0] if isinstance(cache, list | tuple) else cache
    parts = [cache] if cache.shape[0] == blocks else list(cache.unbind(0))
    if any(part.shape[0] != blocks or part.stride(0) != part[0].numel() for part in parts):
        raise ValueError(
            f"a layer's cache of shape {tuple(cache.shape)}, strides {cache.stride()}: not {blocks} blocks"
        )
    size = parts[0].stride(0)
    plain = [part.as_strided((blocks, size), (size, 1)) for part in parts]
    words = size * cache.element_size() % 8 == 0
    return [part.view(torch.int64 if words else torch.uint8) for part in plain]
