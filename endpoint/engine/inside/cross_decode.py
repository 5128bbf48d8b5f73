"""Cross-attention of a decoder step on a GPU: one query a row, against all frames of its window, in Triton.

A step of a large Whisper is mostly this: 128 rows read 3.8 MB of keys and values in each layer. FlashAttention is made
for many queries at once; here nothing is computed but what one query needs, so that memory alone sets the time. Rows
that share blocks, the beams of a window, are next to each other, and read them out of the card's cache.

Each program has a row, a head and a part of the frames (`SPLITS`, for small batches); a second kernel joins the parts.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, PLR0917

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

log = logging.getLogger(__name__)
TILE = 128  # frames at once
PROGRAMS = 2_112  # wanted at least: 16 for each of an H100's multiprocessors
MOST_SPLITS = 16
LEAST = tl.constexpr(-1e30)  # below every score
LOG2_E = 1.4426950408889634
TOLERANCE = 0.02  # of the self-check: values of unit variance, in bfloat16


@triton.jit
def _read(
    query, keys, values, table, lengths, q_scale, k_scale, v_scale, parts, weights,
    scale, query_row, table_row, page_step, frame_step, head_step,
    PAGE: tl.constexpr, SIZE: tl.constexpr, TILE: tl.constexpr, SPLITS: tl.constexpr,
):  # fmt: skip
    row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    heads = tl.num_programs(1)
    length = tl.load(lengths + row)
    share = tl.cdiv(tl.cdiv(length, TILE), SPLITS) * TILE
    begin = split * share
    end = tl.minimum(length, begin + share)
    at = tl.arange(0, SIZE)
    asked = tl.load(query + row * query_row + head * SIZE + at).to(tl.float32)
    asked = asked * (scale * tl.load(q_scale) * tl.load(k_scale))
    top, total = float("-inf"), 0.0
    mixed = tl.zeros([SIZE], tl.float32)
    for first in range(begin, end, TILE):
        frame = first + tl.arange(0, TILE)
        there = frame < end
        page = tl.load(table + row * table_row + frame // PAGE, mask=there, other=0).to(tl.int64)
        place = page * page_step + (frame % PAGE) * frame_step + head * head_step
        key = tl.load(keys + place[:, None] + at[None, :], mask=there[:, None], other=0.0)
        value = tl.load(values + place[:, None] + at[None, :], mask=there[:, None], other=0.0)
        score = tl.sum(key.to(tl.float32) * asked[None, :], 1)
        score = tl.where(there, score, float("-inf"))
        higher = tl.maximum(top, tl.max(score, 0))
        chance, keep = tl.exp2(score - higher), tl.exp2(top - higher)
        mixed = mixed * keep + tl.sum(value.to(tl.float32) * chance[:, None], 0)
        total = total * keep + tl.sum(chance, 0)
        top = higher
    part = (row * heads + head) * SPLITS + split
    tl.store(parts + part * SIZE + at, mixed * tl.load(v_scale))
    tl.store(weights + 2 * part, top)
    tl.store(weights + 2 * part + 1, total)


@triton.jit
def _join(parts, weights, output, output_row, SIZE: tl.constexpr, SPLITS: tl.constexpr):
    row, head = tl.program_id(0), tl.program_id(1)
    first = (row * tl.num_programs(1) + head) * SPLITS
    part, at = first + tl.arange(0, SPLITS), tl.arange(0, SIZE)
    top, total = tl.load(weights + 2 * part), tl.load(weights + 2 * part + 1)
    top = tl.where(total > 0, top, LEAST)
    keep = tl.where(total > 0, tl.exp2(top - tl.max(top, 0)), 0.0)
    mixed = tl.sum(tl.load(parts + part[:, None] * SIZE + at[None, :]) * keep[:, None], 0)
    # A row that pads a CUDA graph has no frames.
    mixed = mixed / tl.maximum(tl.sum(total * keep, 0), 1e-30)
    tl.store(output + row * output_row + head * SIZE + at, mixed.to(output.dtype.element_ty))


def attend(
    query: Tensor, keys: Tensor, values: Tensor, table: Tensor, lengths: Tensor, layer: Any, output: Tensor
) -> None:
    """query, output: [rows, heads, size]. keys, values: [blocks, frames of a block, heads, size], of equal strides.

    table: int32 [rows, blocks]. lengths: int32 [rows], frames. layer: has the scale of the softmax as impl.scale, and
    those of query, keys and values as vLLM's attention layers have them.
    """
    rows, heads, size = query.shape
    splits = 1
    while splits < MOST_SPLITS and rows * heads * splits < PROGRAMS:
        splits *= 2
    parts = torch.empty(rows, heads, splits, size, dtype=torch.float32, device=query.device)
    weights = torch.empty(rows, heads, splits, 2, dtype=torch.float32, device=query.device)
    _read[rows, heads, splits](
        query, keys, values, table, lengths, layer._q_scale, layer._k_scale, layer._v_scale, parts, weights,
        layer.impl.scale * LOG2_E, query.stride(0), table.stride(0), *keys.stride()[:3],
        PAGE=keys.shape[1], SIZE=size, TILE=TILE, SPLITS=splits, num_warps=4,
    )  # fmt: skip
    _join[rows, heads](parts, weights, output, output.stride(0), SIZE=size, SPLITS=splits, num_warps=1)


def install(layers: list[Any]) -> None:
    """Let vLLM's layers of cross-attention use it where each row has one query. layers: CrossAttention of vLLM.

    Where the kernel does not agree with PyTorch on this device, or cannot be compiled for it, all stays as it is, and
    the log says so.
    """
    for quantized in {"fp8" in layer.kv_cache_dtype for layer in layers}:
        try:
            difference = self_check(layers[0].head_size, quantized=quantized)
        except Exception as error:  # whatever a compiler raises
            log.warning("cross-attention stays with vLLM's kernel: %s: %s", type(error).__name__, error)
            return
        if difference > TOLERANCE:
            log.warning("cross-attention stays with vLLM's kernel: ours differs from PyTorch by %.3g", difference)
            return
    for layer in layers:
        layer.impl.forward = _forward(layer.impl.forward)


def _forward(others: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of an implementation; `others`: its own."""

    def forward(
        layer: Any,
        query: Tensor,
        key: Any,
        value: Any,
        cache: Tensor,
        metadata: Any,
        output: Tensor,
        *rest: Any,
        **named: Any,
    ) -> Tensor:
        if metadata is None or metadata.max_query_len != 1 or key is not None:
            return others(layer, query, key, value, cache, metadata, output, **named)
        if "fp8" in layer.kv_cache_dtype:
            cache = cache.view(torch.float8_e4m3fn)
        keys, values = cache.transpose(1, 2).split(layer.head_size, dim=-1)
        rows = len(metadata.seq_lens)
        attend(query[:rows], keys, values, metadata.block_table, metadata.seq_lens, layer, output[:rows])
        return output

    return forward


def self_check(size: int, *, quantized: bool, device: str = "cuda") -> float:
    """The largest difference from PyTorch, in a small cache of shared, partly filled blocks."""
    rows, heads, page, pages = 3, 2, 16, 24
    made = torch.Generator(device).manual_seed(0)
    cache = torch.randn(rows * pages + 1, heads, page, 2 * size, generator=made, device=device).bfloat16()
    query = torch.randn(rows, heads, size, generator=made, device=device).bfloat16()
    if quantized:
        cache, query = cache.to(torch.float8_e4m3fn), query.to(torch.float8_e4m3fn)
    table = 1 + torch.arange(rows * pages, dtype=torch.int32, device=device).view(rows, pages)
    table[1] = table[0]
    lengths = torch.tensor([page * pages, page * pages, 5], dtype=torch.int32, device=device)
    one = torch.ones(1, dtype=torch.float32, device=device)
    layer = SimpleNamespace(_q_scale=one, _k_scale=one, _v_scale=one, impl=SimpleNamespace(scale=size**-0.5))
    keys, values = cache.transpose(1, 2).split(size, dim=-1)
    output = torch.empty(rows, heads, size, dtype=torch.bfloat16, device=device)
    attend(query, keys, values, table, lengths, layer, output)
    return max(
        (_reference(query[row], keys, values, table[row], int(length)) - output[row].float()).abs().max().item()
        for row, length in enumerate(lengths)
    )


def _reference(query: Tensor, keys: Tensor, values: Tensor, blocks: Tensor, length: int) -> Tensor:
    """float32 [heads, size] of one row."""
    key, value = (part.float()[blocks.long()].flatten(0, 1)[:length] for part in (keys, values))
    chances = (torch.einsum("hd,nhd->hn", query.float(), key) * query.shape[-1] ** -0.5).softmax(-1)
    return torch.einsum("hn,nhd->hd", chances, value)
