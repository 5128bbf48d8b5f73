"""A model as a folder in Hugging Face's format, as vLLM loads it: weights, sizes, tokenizer, generation settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from endpoint.errors import ConfigError
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, WINDOW_SECONDS

Weights = Mapping[str, npt.NDArray[Any]]  # by Hugging Face's names: float16 or float32
HEAD_SIZE = 64  # of every Whisper
_ARCHITECTURE = "WhisperForConditionalGeneration"


@dataclass(frozen=True)
class Extra:
    """What weights do not say. tokenizer: Hugging Face's tokenizer.json. suppress: token ids that are no speech."""

    tokenizer: dict[str, Any]
    suppress: Sequence[int] = ()
    suppress_first: Sequence[int] = ()
    alignment_heads: Sequence[tuple[int, int]] = ()


def write_folder(folder: Path, weights: Weights, extra: Extra) -> None:
    """Raises ConfigError where weights and tokenizer do not fit."""
    from safetensors.numpy import save_file

    embedding = weights["model.decoder.embed_tokens.weight"]
    ids = {token["content"]: int(token["id"]) for token in extra.tokenizer["added_tokens"]}
    if (largest := max(ids.values())) >= len(embedding):
        raise ConfigError(f"the tokenizer has a token {largest}, and the model knows {len(embedding)} only")
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, folder / "model.safetensors")
    _write(folder / "config.json", _config(weights, ids))
    _write(folder / "generation_config.json", _generation(ids, extra))
    _write(folder / "tokenizer.json", extra.tokenizer)
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "WhisperTokenizer", "model_max_length": 448, **special},
    )
    _write(folder / "preprocessor_config.json", _preprocessor(weights["model.encoder.conv1.weight"].shape[1]))


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _config(weights: Weights, ids: Mapping[str, int]) -> dict[str, Any]:
    vocabulary, width = weights["model.decoder.embed_tokens.weight"].shape
    sides: dict[str, Any] = {}
    for side in ("encoder", "decoder"):
        layers = {int(name.split(".")[3]) for name in weights if name.startswith(f"model.{side}.layers.")}
        sides |= {
            f"{side}_layers": len(layers),
            f"{side}_attention_heads": width // HEAD_SIZE,
            f"{side}_ffn_dim": weights[f"model.{side}.layers.0.fc1.weight"].shape[0],
        }
    return {
        "architectures": [_ARCHITECTURE],
        "model_type": "whisper",
        "vocab_size": vocabulary,
        "num_mel_bins": weights["model.encoder.conv1.weight"].shape[1],
        "d_model": width,
        "num_hidden_layers": sides["encoder_layers"],
        "max_source_positions": weights["model.encoder.embed_positions.weight"].shape[0],
        "max_target_positions": weights["model.decoder.embed_positions.weight"].shape[0],
        "activation_function": "gelu",
        "is_encoder_decoder": True,
        "scale_embedding": False,
        "dtype": "float32" if weights["model.decoder.embed_tokens.weight"].dtype == np.float32 else "float16",
        **sides,
        **_special(ids),
    }


def _special(ids: Mapping[str, int]) -> dict[str, int]:
    end = ids["<|endoftext|>"]
    start = ids["<|startoftranscript|>"]
    return {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}


def _generation(ids: Mapping[str, int], extra: Extra) -> dict[str, Any]:
    start, tasks = ids["<|startoftranscript|>"], (ids["<|translate|>"], ids["<|transcribe|>"])
    languages = {token: number for token, number in ids.items() if start < number < min(tasks)}
    return {
        **_special(ids),
        "alignment_heads": [list(pair) for pair in extra.alignment_heads] or None,
        "suppress_tokens": list(extra.suppress),
        "begin_suppress_tokens": list(extra.suppress_first),
        "lang_to_id": languages,
        "task_to_id": {"translate": tasks[0], "transcribe": tasks[1]},
        "is_multilingual": bool(languages),
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "max_initial_timestamp_index": 50,
        "max_length": 448,
        "return_timestamps": False,
    }


def _preprocessor(bins: int) -> dict[str, Any]:
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": bins,
        "chunk_length": WINDOW_SECONDS,
        "hop_length": 160,
        "n_fft": 400,
        "n_samples": WINDOW_SAMPLES,
        "nb_max_frames": WINDOW_SAMPLES // 160,
        "padding_side": "right",
        "padding_value": 0.0,
        "sampling_rate": SAMPLE_RATE,
        "return_attention_mask": False,
    }
