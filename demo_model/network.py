"""The test model's network for training: Whisper's architecture, parameters named as in transformers' checkpoints.

Written out here because training needs what transformers does not give: windows at any offset of the 30 s,
attention scores of single heads, timestamp embeddings that share parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demo_model.tokenizer import TIMESTAMPS

HEAD_SIZE = 64
FRAMES = 1500  # encoder frames in 30 s, 20 ms each
TARGET_POSITIONS = 448


@dataclass(frozen=True)
class Shape:
    """Sizes of the network. `here` and `next` are (layer, head) of the decoder's supervised cross-attention."""

    vocabulary: int
    text_tokens: int
    width: int = 128
    encoder_layers: int = 4
    decoder_layers: int = 4
    feed_forward: int = 512
    mels: int = 80
    here: tuple[tuple[int, int], ...] = ((1, 1),)
    next: tuple[tuple[int, int], ...] = ((2, 0), (3, 0))


def sinusoids(length: int, channels: int) -> Tensor:
    """Whisper's encoder positions, float32 [length, channels] (openai/whisper model.py)."""
    step = math.log(10_000) / (channels // 2 - 1)
    scaled = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(channels // 2))[None]
    return torch.cat([scaled.sin(), scaled.cos()], dim=1)


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_SIZE
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self, x: Tensor, source: Tensor, causal: bool = False, scores_of: tuple[int, ...] = ()
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """x [b, l, d] attends source [b, t, d]; also log-probabilities [b, l, t] of the heads asked for."""
        q, k, v = (
            z.unflatten(-1, (self.heads, HEAD_SIZE)).transpose(1, 2)
            for z in (self.q_proj(x), self.k_proj(source), self.v_proj(source))
        )
        out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        logs = {h: ((q[:, h] @ k[:, h].mT).float() * HEAD_SIZE**-0.5).log_softmax(-1) for h in scores_of}
        return self.out_proj(out.transpose(1, 2).flatten(2)), logs


class EncoderLayer(nn.Module):
    def __init__(self, width: int, feed_forward: int) -> None:
        super().__init__()
        self.self_attn = Attention(width)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, feed_forward)
        self.fc2 = nn.Linear(feed_forward, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def mlp(self, x: Tensor) -> Tensor:
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))

    def forward(self, x: Tensor) -> Tensor:
        y = self.self_attn_layer_norm(x)
        return self.mlp(x + self.self_attn(y, y)[0])


class DecoderLayer(EncoderLayer):
    def __init__(self, width: int, feed_forward: int) -> None:
        super().__init__(width, feed_forward)
        self.encoder_attn = Attention(width)
        self.encoder_attn_layer_norm = nn.LayerNorm(width)

    def decode(self, x: Tensor, source: Tensor, scores_of: tuple[int, ...]) -> tuple[Tensor, dict[int, Tensor]]:
        y = self.self_attn_layer_norm(x)
        x = x + self.self_attn(y, y, causal=True)[0]
        crossed, logs = self.encoder_attn(self.encoder_attn_layer_norm(x), source, scores_of=scores_of)
        return self.mlp(x + crossed), logs


class Encoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(shape.mels, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding.from_pretrained(sinusoids(FRAMES, shape.width), freeze=True)
        self.layers = nn.ModuleList(EncoderLayer(shape.width, shape.feed_forward) for _ in range(shape.encoder_layers))
        self.layer_norm = nn.LayerNorm(shape.width)

    def forward(self, mel: Tensor, offset: int) -> Tensor:
        """mel [b, mels, 2t] -> [b, t, d]; the window stands `offset` frames into the 30 s."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).mT
        x = x + self.embed_positions.weight[offset : offset + x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x)


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary - TIMESTAMPS, shape.width)
        # A timestamp's embedding is a linear map of its sinusoid, so what is learned at one time holds at all.
        self.time_map = nn.Linear(shape.width, shape.width)
        self.register_buffer("time_basis", sinusoids(TIMESTAMPS, shape.width), persistent=False)
        self.embed_positions = nn.Embedding(TARGET_POSITIONS, shape.width)
        self.layers = nn.ModuleList(DecoderLayer(shape.width, shape.feed_forward) for _ in range(shape.decoder_layers))
        self.layer_norm = nn.LayerNorm(shape.width)
        nn.init.normal_(self.embed_tokens.weight, std=0.05)
        nn.init.normal_(self.time_map.weight, std=0.05 / math.sqrt(shape.width / 2))
        with torch.no_grad():
            self.embed_positions.weight.copy_(0.05 * sinusoids(TARGET_POSITIONS, shape.width))

    def table(self) -> Tensor:
        """The whole embedding, [vocabulary, d]; also the output projection."""
        return torch.cat([self.embed_tokens.weight, self.time_map(self.time_basis)])

    def forward(self, tokens: Tensor, source: Tensor) -> tuple[Tensor, dict[tuple[int, int], Tensor]]:
        """tokens [b, l] -> logits [b, l, vocabulary] and log attention of the supervised heads."""
        table = self.table()
        x = F.embedding(tokens, table) + self.embed_positions.weight[: tokens.shape[1]]
        logs: dict[tuple[int, int], Tensor] = {}
        for number, layer in enumerate(self.layers):
            wanted = tuple(h for at, h in (*self.shape.here, *self.shape.next) if at == number)
            x, found = layer.decode(x, source, wanted)
            logs.update({(number, head): value for head, value in found.items()})
        return self.layer_norm(x) @ table.T, logs


class Network(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        # Only for training: which word is being spoken in each frame; class 0 is none.
        self.frame_head = nn.Linear(shape.width, shape.text_tokens)
        for part in (*self.encoder.layers, *self.decoder.layers):
            for end in (part.self_attn.out_proj, part.fc2):
                nn.init.normal_(end.weight, std=0.02)
                nn.init.zeros_(end.bias)

    def checkpoint(self) -> dict[str, Tensor]:
        """Parameters under transformers' names, the timestamp embeddings written out."""
        state = {f"model.{k}": v for k, v in self.state_dict().items() if not k.startswith("frame_head.")}
        for name in ("model.decoder.time_map.weight", "model.decoder.time_map.bias"):
            del state[name]
        state["model.decoder.embed_tokens.weight"] = self.decoder.table()
        return {k: v.detach().contiguous() for k, v in state.items()}
