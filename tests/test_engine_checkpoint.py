"""What is read out of a checkpoint's folder beside the weights."""

from __future__ import annotations

import json
from pathlib import Path

from endpoint.engine.checkpoint import alignment_heads


def test_alignment_heads_are_the_models_or_the_deeper_half(tmp_path: Path) -> None:
    config = {"decoder_layers": 4, "decoder_attention_heads": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "generation_config.json").write_text(json.dumps({"alignment_heads": [[1, 0], [3, 1]]}))
    assert alignment_heads(tmp_path) == [(1, 0), (3, 1)]
    (tmp_path / "generation_config.json").write_text("{}")
    assert alignment_heads(tmp_path) == [(2, 0), (2, 1), (3, 0), (3, 1)]
