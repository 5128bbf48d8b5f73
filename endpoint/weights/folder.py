"""A model as a folder in Hugging Face's format, as vLLM loads it: weights, sizes, tokenizer, generation settings."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from endpoint.errors import ConfigError
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, WINDOW_SECONDS
from endpoint.weights.known import alignment_heads, suppressed

HEAD_SIZE = 64  # of every Whisper
EMBEDDING = "model.decoder.embed_tokens.weight"
_ARCHITECTURE = "WhisperForConditionalGeneration"
_DTYPES = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32"}


@dataclass(frozen=True)
class Tensor:
    """An array that is made when it is written, so that only one is in memory. dtype: float16 or float32."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    make: Callable[[], npt.NDArray[Any]]

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> Tensor:
        return cls(array.shape, array.dtype, lambda: array)


Weights = Mapping[str, Tensor]  # by Hugging Face's names


@dataclass(frozen=True)
class Extra:
    """What weights do not contain. tokenizer: Hugging Face's tokenizer.json. suppress: token ids that are no speech.

    None: as in OpenAI's models. name: of the model; it distinguishes large-v1 from large-v2.
    """

    tokenizer: dict[str, Any]
    suppress: Sequence[int] | None = None
    suppress_first: Sequence[int] | None = None
    alignment_heads: Sequence[tuple[int, int]] | None = None
    name: str = ""


def write_folder(folder: Path, weights: Weights, extra: Extra) -> None:
    """Raises ConfigError where weights and tokenizer do not fit, or are not those of a Whisper."""
    layers = {side: _layers(weights, side) for side in ("encoder", "decoder")}
    if odd := sorted(_names(layers) ^ weights.keys()):
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        found = "a weight too many" if odd[0] in weights else "too few weights"
        raise ConfigError(f"no Whisper model: {found}: {odd[0]}{more}; fetch it again")
    ids = {token["content"]: int(token["id"]) for token in extra.tokenizer["added_tokens"]}
    if (largest := max(ids.values())) >= (known := weights[EMBEDDING].shape[0]):
        raise ConfigError(f"the tokenizer has a token {largest}, and the model knows {known} only")
    write_tensors(folder / "model.safetensors", weights)
    _write(folder / "config.json", config := _config(weights, layers, ids))
    _write(folder / "generation_config.json", _generation(config, ids, extra))
    _write(folder / "tokenizer.json", extra.tokenizer)
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "WhisperTokenizer", "model_max_length": 448, **special},
    )
    _write(folder / "preprocessor_config.json", _preprocessor(weights["model.encoder.conv1.weight"].shape[1]))


def write_tensors(path: Path, tensors: Weights) -> None:
    """Write a .safetensors file, one tensor after the other: the library's own writer needs all of them in memory.

    The format: the header's length in eight bytes, the header in JSON, the arrays; little-endian.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + int(np.prod(tensor.shape)) * tensor.dtype.itemsize
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors.items():
            array = tensor.make()
            if array.shape != tensor.shape:
                raise ValueError(f"{name} has the shape {array.shape}, and not {tensor.shape}")
            file.write(np.ascontiguousarray(array, tensor.dtype).data)


def _layers(weights: Weights, side: str) -> int:
    return len({name.split(".")[3] for name in weights if name.startswith(f"model.{side}.layers.")})


def _names(layers: Mapping[str, int]) -> set[str]:
    """The names of all weights of a Whisper with these numbers of layers."""
    names = {EMBEDDING, *(f"model.encoder.conv{k}.{part}" for k in (1, 2) for part in ("weight", "bias"))}
    for side, count in layers.items():
        attentions = ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",)
        inside = {f"{kind}_layer_norm" for kind in (*attentions, "final")} | {"fc1", "fc2"}
        inside |= {f"{kind}.{part}_proj" for kind in attentions for part in ("q", "k", "v", "out")}
        both = {f"layers.{k}.{name}" for k in range(count) for name in inside} | {"layer_norm"}
        names |= {f"model.{side}.{name}.{part}" for name in both for part in ("weight", "bias")}
        names.add(f"model.{side}.embed_positions.weight")
    return {name for name in names if not name.endswith(".k_proj.bias")}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _config(weights: Weights, layers: Mapping[str, int], ids: Mapping[str, int]) -> dict[str, Any]:
    vocabulary, width = weights[EMBEDDING].shape
    sides: dict[str, Any] = {}
    for side, count in layers.items():
        sides |= {
            f"{side}_layers": count,
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
        "dtype": weights[EMBEDDING].dtype.name,
        **sides,
        **_special(ids),
    }


def _special(ids: Mapping[str, int]) -> dict[str, int]:
    end = ids["<|endoftext|>"]
    start = ids["<|startoftranscript|>"]
    return {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}


def _generation(config: Mapping[str, Any], ids: Mapping[str, int], extra: Extra) -> dict[str, Any]:
    suppress, first, heads = extra.suppress, extra.suppress_first, extra.alignment_heads
    if suppress is None or first is None:
        always, at_first = suppressed(extra.tokenizer)
        suppress, first = always if suppress is None else suppress, at_first if first is None else first
    if heads is None:
        heads = alignment_heads(config["decoder_layers"], config["d_model"], config["vocab_size"], extra.name)
    start, tasks = ids["<|startoftranscript|>"], (ids["<|translate|>"], ids["<|transcribe|>"])
    languages = {token: number for token, number in ids.items() if start < number < min(tasks)}
    return {
        **_special(ids),
        "alignment_heads": [list(pair) for pair in heads] or None,
        "suppress_tokens": list(suppress),
        "begin_suppress_tokens": list(first),
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
