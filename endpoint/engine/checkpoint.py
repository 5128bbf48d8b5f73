"""What the engine reads out of a checkpoint's folder beside the weights."""

from __future__ import annotations

import json
from pathlib import Path


def alignment_heads(folder: Path) -> list[tuple[int, int]]:
    """(layer, head) of the decoder's heads that follow the words; unnamed, all of the deeper half of the layers.

    Heads that the decoder does not have are passed over: distilled checkpoints carry their teacher's list.
    """
    generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layers, heads = int(config["decoder_layers"]), int(config["decoder_attention_heads"])
    named = [(int(layer), int(head)) for layer, head in generation.get("alignment_heads") or ()]
    if there := [(layer, head) for layer, head in named if layer < layers and head < heads]:
        return there
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]
