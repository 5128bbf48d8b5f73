"""The Triton kernel, by Triton's interpreter (`make kernel` installs it); on a GPU it checks itself at start-up."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

os.environ.setdefault("TRITON_INTERPRET", "1")
pytest.importorskip("triton", reason="no GPU: make kernel installs Triton's interpreter")
import torch

from endpoint.engine.inside import cross_decode

pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")  # of the interpreter


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("size", [64, 32])
@pytest.mark.parametrize("programs", [1, 100])  # one part, several
def test_it_agrees_with_pytorch(size: int, quantized: bool, programs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_decode, "PROGRAMS", programs)
    assert cross_decode.self_check(size, quantized=quantized, device="cpu") < cross_decode.TOLERANCE


def test_rows_without_frames_are_zero() -> None:
    """Those that pad a CUDA graph."""
    one = torch.ones(1)
    layer = SimpleNamespace(_q_scale=one, _k_scale=one, _v_scale=one, impl=SimpleNamespace(scale=1.0))
    cache = torch.randn(3, 16, 2, 64)
    output = torch.full((2, 2, 32), float("nan"))
    table, lengths = torch.zeros(2, 4, dtype=torch.int32), torch.tensor([0, 3], dtype=torch.int32)
    cross_decode.attend(torch.randn(2, 2, 32), *cache.split(32, -1), table, lengths, layer, output)
    assert not output[0].any()
    assert output[1].isfinite().all()


def test_layers_keep_their_own_kernel_where_ours_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_decode, "self_check", lambda *_, **__: 1.0)
    impl = SimpleNamespace(forward=print)
    cross_decode.install([SimpleNamespace(kv_cache_dtype="auto", head_size=64, impl=impl)])
    assert impl.forward is print


def test_only_steps_of_one_query_a_row_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_decode, "self_check", lambda *_, **__: 0.0)
    taken = []
    monkeypatch.setattr(cross_decode, "attend", lambda *given: taken.append(given[0].shape))
    impl = SimpleNamespace(forward=lambda *_: "others")
    layer = SimpleNamespace(kv_cache_dtype="auto", head_size=32, impl=impl)
    cross_decode.install([layer])
    query, cache = torch.zeros(4, 2, 32), torch.zeros(3, 2, 16, 64)
    step = SimpleNamespace(max_query_len=1, seq_lens=torch.ones(3), block_table=torch.zeros(3, 1))
    longer = SimpleNamespace(max_query_len=2)
    assert impl.forward(layer, query, None, None, cache, longer, query) == "others"
    assert impl.forward(layer, query, None, None, cache, None, query) == "others"
    assert impl.forward(layer, query, query, query, cache, step, query) == "others"
    assert impl.forward(layer, query, None, None, cache, step, query) is query
    assert taken == [(3, 2, 32)]
