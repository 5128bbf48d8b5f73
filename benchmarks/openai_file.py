"""A model's folder in Hugging Face's format -> a .pt file as openai/whisper has it."""

from __future__ import annotations

import json
import re
from pathlib import Path

THEIRS = (
    ("_attn_layer_norm.", "_attn_ln."),
    (".encoder_attn_ln.", ".cross_attn_ln."),
    (".self_attn_ln.", ".attn_ln."),
    (".final_layer_norm.", ".mlp_ln."),
    (".encoder_attn.", ".cross_attn."),
    (".self_attn.", ".attn."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".out."),
    (".fc1.", ".mlp.0."),
    (".fc2.", ".mlp.2."),
    (".layers.", ".blocks."),
    (".embed_tokens.", ".token_embedding."),
    (".embed_positions.weight", ".positional_embedding"),
    ("encoder.layer_norm.", "encoder.ln_post."),
    ("decoder.layer_norm.", "decoder.ln."),
)


def write(folder: Path, path: Path) -> Path:
    """The file, with dims and weights; no tokenizer, as theirs has none."""
    import torch
    from safetensors.torch import load_file

    path.parent.mkdir(parents=True, exist_ok=True)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    dims = {
        "n_mels": config["num_mel_bins"],
        "n_vocab": config["vocab_size"],
        "n_audio_ctx": config["max_source_positions"],
        "n_audio_state": config["d_model"],
        "n_audio_head": config["encoder_attention_heads"],
        "n_audio_layer": config["encoder_layers"],
        "n_text_ctx": config["max_target_positions"],
        "n_text_state": config["d_model"],
        "n_text_head": config["decoder_attention_heads"],
        "n_text_layer": config["decoder_layers"],
    }
    state = {_theirs(name): value for name, value in load_file(folder / "model.safetensors").items()}
    torch.save({"dims": dims, "model_state_dict": state}, path)
    return path


def _theirs(name: str) -> str:
    name = re.sub(r"^model\.", "", name)
    for ours, theirs in THEIRS:
        name = name.replace(ours, theirs)
    return name
