"""What a card cannot do better than: python -m benchmarks.gpu.floor [--card H100]

Bytes that a decoder step has to move and operations that an encoding takes, of large-v3 and turbo with bfloat16 weights
and an fp8 cache, over what the card moves and computes a second. No host, no launches, no waiting: a floor.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks.gpu.lines import BEAMS, FRAMES, FULL, LARGE, TOKENS, TURBO
from benchmarks.gpu.model import DECODER_LAYERS, VOCABULARY

WIDTH, ENCODER_LAYERS = 1280, 32


@dataclass(frozen=True)
class Card:
    """bytes: that a copy moves a second, reads and writes counted. flops: of a large bfloat16 product. As measured."""

    bytes: float
    flops: float


CARDS = {"H100": Card(3.0e12, 798e12), "H200": Card(4.3e12, 788e12)}


@dataclass(frozen=True)
class Step:
    """Bytes of one decoder step: weights, cross-attention, self-attention, and blocks copied between beams."""

    weights: float
    cross: float
    own: float
    copied: float

    @property
    def total(self) -> float:
        return self.weights + self.cross + self.own + self.copied


def step(model: str, rows: int, beams: int, shared: bool) -> Step:
    """shared: the cross-attention of a window is read once for all its beams, out of the card's cache for the rest."""
    layers, readers = DECODER_LAYERS[model], rows / beams if shared else rows
    own = rows * layers * 2 * WIDTH * TOKENS / 2  # fp8; a text is half as long on average as at its end
    return Step(
        weights=2 * (layers * 14 * WIDTH**2 + VOCABULARY * WIDTH),
        cross=readers * layers * 2 * WIDTH * FRAMES,
        own=own,
        copied=4 * own if beams > 1 else 0.0,  # read and written, into a buffer and out of it
    )


def encoding(model: str) -> float:
    """Operations of one window: the encoder, and the keys and values of the cross-attention."""
    attention = 4 * FRAMES**2 * WIDTH
    return ENCODER_LAYERS * (24 * WIDTH**2 * FRAMES + attention) + DECODER_LAYERS[model] * 4 * WIDTH**2 * FRAMES


def windows_per_second(model: str, card: Card, beams: int, shared: bool) -> float:
    rows = FULL.slots
    decoding = TOKENS * step(model, rows, beams, shared).total / card.bytes / (rows / beams)
    return 1 / (decoding + encoding(model) / card.flops)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", choices=sorted(CARDS), default="H100")
    card = CARDS[(name := parser.parse_args().card)]
    print(f"{name}, {FULL.slots} rows, {TOKENS} tokens a window; steps a window: {TOKENS}")
    print("model           beams cross-attention read  GB/step (weights, cross, own, copied)   ms/step  windows/s")
    for model in (LARGE, TURBO):
        for beams, shared in ((1, False), (BEAMS, False), (BEAMS, True)):
            one = step(model, FULL.slots, beams, shared)
            parts = ", ".join(f"{part / 1e9:.2f}" for part in (one.weights, one.cross, one.own, one.copied))
            read, rate = "once a window" if shared else "by each row", windows_per_second(model, card, beams, shared)
            bytes_moved, milliseconds = f"{one.total / 1e9:8.2f} ({parts})", 1e3 * one.total / card.bytes
            print(f"{model:15} {beams:5} {read:21} {bytes_moved}{milliseconds:14.2f} {rate:10.1f}")


if __name__ == "__main__":
    main()
