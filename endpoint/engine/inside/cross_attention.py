"""Cross-attention of a decoded window: a worker extension, run in the engine's process with vLLM's weights.

vLLM's decoder keeps no attention. So the text is fed to the decoder layers once more, all tokens of many windows at
once, and the heads that follow the words are read. The encoder does not run again: its output for windows whose words
were asked for is kept (endpoint/engine/inside/cross_cache.py), for a limited number of windows. The attention is
processed as in openai/whisper's timing.py find_alignment, up to the warping (endpoint/engine/time_warping.py).
"""

from __future__ import annotations

from typing import Any

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from endpoint.engine.attention import Attention, Call, Request
from endpoint.engine.inside import groups, scores, steps
from endpoint.engine.inside.blocks import SelfBlocks
from endpoint.engine.inside.cross_cache import kept
from endpoint.engine.inside.logits_processor import WhisperRules

MEDIAN_WIDTH = 7  # frames; openai/whisper medfilt_width
# Pairs to put in order so that the middle one is the median (Devillard's network; the test proves it on all 0-1 rows).
_LOW, _HIGH = (0, 0, 1, 2, 0, 3, 2, 2, 3, 4, 1, 1, 3), (5, 3, 6, 4, 1, 5, 6, 3, 6, 5, 4, 3, 4)
MEDIAN_OF_SEVEN = tuple(zip(_LOW, _HIGH, strict=True))
TINY = 1e-12  # far below any deviation of softmax weights that matters
TOGETHER = 4  # windows in one pass: the attention of more is large


class AlignExtension:
    """Methods of the worker, called by name through vLLM's collective_rpc; arguments cross as bytes."""

    model_runner: Any

    def whisper_keep(self, most: int) -> None:
        """Keep up to `most` encoder outputs from now on. Every API process calls it; the first call counts."""
        if kept.most is None:
            kept.most = most
            self._attach()

    def _attach(self) -> None:
        """Give the V1 runner's rules the decoder's blocks, for beam search, and its sampler our scores."""
        if sampler := getattr(self.model_runner, "sampler", None):
            sampler.gather_specific_token_logprobs = scores.gather
        batch = getattr(self.model_runner, "input_batch", None)
        for processor in batch.logitsprocs.all if batch is not None and hasattr(batch, "logitsprocs") else ():
            if isinstance(processor, WhisperRules):
                processor.blocks = SelfBlocks(self.model_runner)

    def whisper_held(self) -> bytes:
        """msgpack of what the engine holds of requests, by name; all 0 when there are none."""
        batch = getattr(self.model_runner, "input_batch", None)
        rows = batch.num_reqs if batch is not None else 0
        return msgspec.msgpack.encode({**groups.held(), "rows": rows})

    def whisper_steps(self) -> bytes:
        """msgpack of (steps, windows in all of them) since the start of the engine."""
        return msgspec.msgpack.encode(steps.counted())

    @torch.inference_mode()
    def whisper_attend(self, call: bytes) -> bytes:
        """msgpack of Call to msgpack of list[Attention], in order."""
        asked = msgspec.msgpack.decode(call, type=Call)
        model = self.model_runner.get_model()
        found = []
        for begin in range(0, len(asked.requests), TOGETHER):
            found += self._attend(model, asked.requests[begin : begin + TOGETHER], asked.heads)
        return msgspec.msgpack.encode(found)

    def _attend(self, model: Any, requests: list[Request], heads: list[tuple[int, int]]) -> list[Attention]:
        sources = [self._source(model, request) for request in requests]
        found = [Attention(0, 0, b"") for _ in requests]
        for size in {len(source) for source in sources if source is not None}:
            alike = [(k, source) for k, source in enumerate(sources) if source is not None and len(source) == size]
            given = torch.stack([source for _, source in alike])
            followed = follow_words(model.model.decoder, [requests[k] for k, _ in alike], given, heads)
            for (k, _), on_device in zip(alike, followed, strict=True):
                matrix = on_device.cpu().numpy()
                found[k] = Attention(len(matrix), matrix.shape[1], matrix.tobytes())
        return found

    def _source(self, model: Any, request: Request) -> Tensor | None:
        """The encoder's output [frames, width]: what was kept, or computed again from samples."""
        source = kept.pop(request.key)
        if source is not None or request.samples is None:
            return source
        sound = torch.frombuffer(bytearray(request.samples), dtype=torch.int16)
        output: Tensor = model.encode(sound[None].to(next(model.parameters()).device))[0]
        return output


def follow_words(decoder: Any, requests: list[Request], source: Tensor, heads: list[tuple[int, int]]) -> list[Tensor]:
    """How much each text token attends to each frame, the mean over `heads`: float32 [rows, frames] of each request.

    decoder: vLLM's, fed with the requests' ids, padded behind. source: the encoder's output [windows, frames, width].
    """
    longest = max(len(request.ids) for request in requests)
    padded = [request.ids + [request.ids[-1]] * (longest - len(request.ids)) for request in requests]
    positions = torch.arange(longest, device=source.device)
    hidden = decoder.embed_tokens(torch.tensor(padded, device=source.device)) + decoder.embed_positions(positions)
    sums = [torch.zeros(1, device=source.device) for _ in requests]
    for number in range(max(layer for layer, _ in heads) + 1):
        layer = decoder.layers[number]
        hidden = hidden + _self_attention(layer, hidden)
        mixed, scores = _cross_attention(layer, hidden, source)
        # Summed layer by layer: the attention of every head at once would be gigabytes in a large model.
        if chosen := [head for at, head in heads if at == number]:
            sums = [total + follow(scores[k, chosen], requests[k]) for k, total in enumerate(sums)]
        hidden = hidden + mixed
        hidden = hidden + layer.mlp(layer.final_layer_norm(hidden))
    return [total / len(heads) for total in sums]


def _split(x: Tensor, heads: int) -> Tensor:
    """[b, t, width] to [b, heads, t, width / heads]."""
    return x.view(*x.shape[:-1], heads, -1).transpose(1, 2)


def _self_attention(layer: Any, hidden: Tensor) -> Tensor:
    attention = layer.self_attn
    joined, _ = attention.qkv_proj(layer.self_attn_layer_norm(hidden))
    query, key, value = (_split(part, attention.num_heads) for part in joined.chunk(3, -1))
    mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    out: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))[0]
    return out


def _cross_attention(layer: Any, hidden: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """(the layer's output, its logits float32 [b, heads, t, frames])."""
    attention = layer.encoder_attn
    query, _ = attention.q_proj(layer.encoder_attn_layer_norm(hidden))
    both, _ = attention.kv_proj(source)
    query, key, value = (_split(part, attention.num_heads) for part in (query, *both.chunk(2, -1)))
    scores = (query.float() * attention.scaling) @ key.float().transpose(-1, -2)
    mixed = scores.softmax(-1).to(value.dtype) @ value
    return attention.out_proj(mixed.transpose(1, 2).flatten(2))[0], scores


def follow(scores: Tensor, request: Request) -> Tensor:
    """How much each text token attends to each frame: float32 [rows, frames], the sum over heads.

    scores: attention logits float32 [heads, tokens, frames]. Row t of the attention belongs to the token predicted at
    t, not to the one read there.
    """
    weights = scores[:, : len(request.ids), : request.frames].softmax(-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    # A frame that no token attends to deviates by 0, and 0 / 0 would spoil every path.
    smooth = median_filter((weights - mean) / deviation.clamp_min(TINY))
    return smooth.sum(0)[request.first - 1 : -1]


def median_filter(values: Tensor) -> Tensor:
    """Median over MEDIAN_WIDTH neighbours along the last dimension, mirrored at the edges; as it is when shorter.

    A sorting network of the seven shifted copies: a tenth of the time that sorting takes on a CPU.
    """
    reach, size = MEDIAN_WIDTH // 2, values.shape[-1]
    if size <= reach:
        return values
    padded = functional.pad(values, (reach, reach), mode="reflect")
    column = [padded[..., k : k + size] for k in range(MEDIAN_WIDTH)]
    for low, high in MEDIAN_OF_SEVEN:
        column[low], column[high] = torch.minimum(column[low], column[high]), torch.maximum(column[low], column[high])
    return column[reach]
