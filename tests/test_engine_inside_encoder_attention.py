"""The encoder's attention in plain products, against torch's own."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the base build has no engine")
import torch
from torch.nn import functional

from endpoint.engine.inside import encoder_attention as attention
from endpoint.engine.inside.encoder_attention import ROWS, EncoderAttention, is_worth_it


def given(windows: int, frames: int, heads: int, kind: torch.dtype) -> list[torch.Tensor]:
    """Parts of one product, as the encoder gives them: not contiguous."""
    generator = torch.Generator().manual_seed(frames)
    joined = torch.randn(windows, frames, 3 * heads * 64, generator=generator).to(kind)
    return list(joined.chunk(3, -1))


@pytest.mark.parametrize(("windows", "frames", "heads"), [(1, 1_500, 2), (3, 400, 1), (2, ROWS, 3), (1, 7, 2)])
@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_it_is_attention(windows: int, frames: int, heads: int, kind: torch.dtype, tolerance: float) -> None:
    torch.set_num_threads(1)
    parts = given(windows, frames, heads, kind)
    made = EncoderAttention(heads, 0.125)(*parts)
    split = [part.float().unflatten(-1, (heads, -1)).transpose(1, 2) for part in parts]
    expected = functional.scaled_dot_product_attention(*split, scale=0.125).transpose(1, 2).flatten(2)
    assert (made.dtype, made.shape) == (kind, parts[0].shape)
    torch.testing.assert_close(made.float(), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("can", [True, False])
def test_only_bfloat16_that_the_processor_knows_is_worth_it(can: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention.torch.cpu, "_is_avx512_bf16_supported", lambda: can)
    assert is_worth_it(torch.bfloat16) is can
    assert not is_worth_it(torch.float32)
