"""Self-attention's blocks are copied from row to row, in caches of either layout."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from vllm.v1.kv_cache_interface import CrossAttentionSpec

from endpoint.engine.inside.blocks import SelfBlocks

BLOCKS, ROWS = 20, 4


def runner(*shapes: tuple[int, ...]) -> SimpleNamespace:
    """Row r has blocks 3 r + 1 and 3 r + 2 for itself, and others for cross-attention."""
    table = torch.zeros(ROWS, 3, dtype=torch.int32)
    for row in range(ROWS):
        table[row, :2] = torch.tensor([3 * row + 1, 3 * row + 2])
    own = SimpleNamespace(
        num_blocks_per_row=np.full(ROWS, 2), max_num_reqs=ROWS, get_device_tensor=lambda rows: table[:rows]
    )
    caches = {f"layer{k}": SimpleNamespace(kv_cache=torch.rand(shape)) for k, shape in enumerate(shapes)}
    groups = [
        SimpleNamespace(kv_cache_spec=CrossAttentionSpec.__new__(CrossAttentionSpec), layer_names=["cross"]),
        SimpleNamespace(kv_cache_spec=None, layer_names=list(caches)),
    ]
    return SimpleNamespace(
        kv_cache_config=SimpleNamespace(kv_cache_groups=groups, num_blocks=BLOCKS),
        input_batch=SimpleNamespace(block_table=[None, own]),
        compilation_config=SimpleNamespace(static_forward_context=caches),
    )


def test_rows_get_the_blocks_of_their_sources_as_they_were() -> None:
    made = runner((BLOCKS, 2, 5), (2, BLOCKS, 4))
    layers = made.compilation_config.static_forward_context
    caches = [layers["layer0"].kv_cache, layers["layer1"].kv_cache.movedim(1, 0)]
    before = [cache.clone() for cache in caches]
    SelfBlocks(made).copy(np.array([0, 1, 2]), torch.tensor([1, 0, 2]))  # two swap rows
    for cache, old in zip(caches, before, strict=True):
        assert torch.equal(cache[[1, 2, 4, 5]], old[[4, 5, 1, 2]])
        rest = [block for block in range(BLOCKS) if block not in (1, 2, 4, 5)]
        assert torch.equal(cache[rest], old[rest])


def test_no_blocks_but_the_rows_own_are_copied() -> None:
    """A row's table still names blocks of a request that was there before; these are another's now."""
    made = runner((BLOCKS, 2, 5))
    made.input_batch.block_table[1].num_blocks_per_row[:] = [1, 1, 2, 0]
    cache = made.compilation_config.static_forward_context["layer0"].kv_cache
    before = cache.clone()
    SelfBlocks(made).copy(np.array([0, 1]), torch.tensor([1, 0]))
    assert torch.equal(cache[[1, 4]], before[[4, 1]])
    rest = [block for block in range(BLOCKS) if block not in (1, 4)]
    assert torch.equal(cache[rest], before[rest])


def test_rows_that_stay_copy_nothing() -> None:
    made = runner((BLOCKS, 2, 5))
    cache = made.compilation_config.static_forward_context["layer0"].kv_cache
    before = cache.clone()
    SelfBlocks(made).copy(np.array([0, 1]), torch.tensor([0, 1]))
    assert torch.equal(cache, before)


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="not 20 blocks"):
        SelfBlocks(runner((3, 4, BLOCKS)))
