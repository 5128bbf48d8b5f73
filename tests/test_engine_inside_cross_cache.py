"""Keys and values of the cross-attention go to the blocks of their window; layers are pretended."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from torch import Tensor
from vllm.model_executor.layers.attention import cross_attention

from endpoint.engine.attention import KEEP
from endpoint.engine.inside.cross_cache import CrossCache, Kept, write_nothing

BLOCKS, BLOCK, HEADS, SIZE = 9, 4, 2, 3


def layer(factor: float, *, listed: bool) -> SimpleNamespace:
    """Keys are the encoder's output times `factor`, values its negative; a cache of both, [blocks x frames, 2, ...]."""
    cache = torch.zeros(BLOCKS * BLOCK, 2, HEADS, SIZE)

    def update(_: object, keys: Tensor, values: Tensor, cache: Tensor, slots: Tensor) -> None:
        cache[slots, 0], cache[slots, 1] = keys, values

    attention = SimpleNamespace(
        kv_cache=[cache] if listed else cache, impl=SimpleNamespace(do_kv_cache_update=update), cache=cache
    )
    return SimpleNamespace(
        attn=attention,
        num_kv_heads=HEADS,
        head_dim=SIZE,
        kv_proj=lambda encoded: (torch.cat([factor * encoded, -factor * encoded], -1), None),
    )


@pytest.mark.parametrize("listed", [False, True])
def test_each_window_is_written_to_its_own_blocks_in_every_layer(listed: bool) -> None:
    layers = [layer(1.0, listed=listed), layer(2.0, listed=listed)]
    cache = CrossCache(SimpleNamespace(layers=[SimpleNamespace(encoder_attn=each) for each in layers]))
    first, second = torch.rand(6, HEADS * SIZE), torch.rand(3, HEADS * SIZE)
    cache.write([first, second], [[5, 2], [7]], BLOCK)
    for each, factor in zip(layers, (1.0, 2.0), strict=True):
        written = each.attn.cache.view(BLOCKS, BLOCK, 2, HEADS * SIZE)
        torch.testing.assert_close(torch.cat([written[5, :, 0], written[2, :2, 0]]), factor * first)
        torch.testing.assert_close(written[7, :3, 1], -factor * second)
        assert not written[[0, 1, 3, 4, 6, 8]].any()
        assert not written[2, 2:].any()
        assert not written[7, 3:].any()


def test_only_windows_with_words_are_kept_and_only_so_many() -> None:
    kept, batch = Kept(), torch.zeros(5, 10, 4)
    kept.put(f"{KEEP}0", batch[0])
    assert kept.pop(f"{KEEP}0") is None  # before a number was set
    kept.most = 2
    for number in range(3):
        kept.put(f"{KEEP}{number}", batch[number])
    kept.put("window-9", batch[4])
    found = [kept.pop(f"{KEEP}{number}") for number in range(3)]
    assert [output is not None for output in found] == [False, True, True]
    assert found[2].untyped_storage().nbytes() == 10 * 4 * 4  # not the whole batch's memory
    assert kept.pop("window-9") is None
    assert kept.pop(f"{KEEP}2") is None


def test_vllm_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_attention, "_get_cross_slot_mapping", None)
    write_nothing()
    lengths, table = np.array([1500, 0]), torch.zeros(2, 94, dtype=torch.int32)
    assert cross_attention._get_cross_slot_mapping(lengths, table, None, torch.device("cpu")).shape == (0,)
