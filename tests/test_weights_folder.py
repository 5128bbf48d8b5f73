"""The folder that is written is one that the engine and its tokens load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("safetensors", reason="the base build has no engine")

from endpoint.config import DEMO_MODEL
from endpoint.errors import ConfigError
from endpoint.weights.folder import Extra, write_folder
from tests import foreign

TOKENIZER = json.loads((DEMO_MODEL / "tokenizer.json").read_text(encoding="utf-8"))


def test_sizes_are_read_off_the_weights(tmp_path: Path) -> None:
    write_folder(tmp_path, foreign.weights(), Extra(TOKENIZER))
    wanted = json.loads((DEMO_MODEL / "config.json").read_text())
    found = json.loads((tmp_path / "config.json").read_text())
    for name in ("vocab_size", "d_model", "encoder_layers", "decoder_layers", "num_mel_bins", "encoder_ffn_dim",
                 "decoder_ffn_dim", "encoder_attention_heads", "decoder_attention_heads", "max_target_positions",
                 "eos_token_id", "decoder_start_token_id"):  # fmt: skip
        assert found[name] == wanted[name], name
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    known = json.loads((DEMO_MODEL / "generation_config.json").read_text())
    assert generation["lang_to_id"] == known["lang_to_id"]
    assert generation["is_multilingual"] is True


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    added = [*TOKENIZER["added_tokens"], {"id": 99_999, "content": "<|new|>"}]
    with pytest.raises(ConfigError, match="99999"):
        write_folder(tmp_path, foreign.weights(), Extra({**TOKENIZER, "added_tokens": added}))
