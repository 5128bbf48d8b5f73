"""OpenAI's own files: a .pt with the model's sizes and weights, and no tokenizer.

Names: openai/whisper model.py. The tokenizer is the same for every Whisper with this size of vocabulary:
taken from a tokenizer.json beside the file, else from another model.
"""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from endpoint.errors import ConfigError
from endpoint.weights.folder import EMBEDDING, Extra, Tensor, write_folder
from endpoint.weights.known import fitted

_NAMES = (
    (r"^(encoder|decoder)\.", r"model.\1."),
    (r"\.blocks\.", ".layers."),
    (r"\.cross_attn_ln\.", ".encoder_attn_layer_norm."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
    (r"\.attn\.", ".self_attn."),
    (r"_attn\.query\.", "_attn.q_proj."),
    (r"_attn\.key\.", "_attn.k_proj."),
    (r"_attn\.value\.", "_attn.v_proj."),
    (r"_attn\.out\.", "_attn.out_proj."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"^model\.encoder\.ln_post\.", "model.encoder.layer_norm."),
    (r"^model\.decoder\.ln\.", "model.decoder.layer_norm."),
    (r"\.token_embedding\.", ".embed_tokens."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
)


def is_openai(path: Path) -> bool:
    return path.suffix == ".pt" and path.is_file()


def convert(source: Path, target: Path, tokenizer_of: Callable[[int], Path]) -> None:
    """Write the model of a .pt file into the empty folder `target`. Raises ConfigError.

    tokenizer_of: gives a tokenizer.json for a size of vocabulary.
    """
    state = _load(source)
    try:
        weights = {_renamed(name): _tensor(value) for name, value in state.items() if "alignment_heads" not in name}
        vocabulary = weights[EMBEDDING].shape[0]
        write_folder(target, weights, _extra(source, vocabulary, tokenizer_of))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{source} is not a whole Whisper of OpenAI's ({error}); fetch it again") from error


def _load(source: Path) -> Mapping[str, Any]:
    import torch

    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source))
        state: Mapping[str, Any] = loaded["model_state_dict"]
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{source} holds more than weights, and is not loaded: unpickling it could run code. Take the file from "
            "OpenAI, or a model in safetensors"
        ) from error
    except (LookupError, TypeError, EOFError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{source} is not a whole Whisper of OpenAI's; fetch it again") from error
    return state


def _tensor(value: Any) -> Tensor:
    """As float16 or float32; numpy has no bfloat16."""
    import torch

    half = value.dtype == torch.float16
    dtype = np.dtype(np.float16 if half else np.float32)
    return Tensor(tuple(value.shape), dtype, lambda: (value if half else value.to(torch.float32)).detach().numpy())


def _renamed(name: str) -> str:
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _extra(source: Path, vocabulary: int, tokenizer_of: Callable[[int], Path]) -> Extra:
    beside = source.parent
    path = beside / "tokenizer.json"
    tokenizer = _read(path) if path.exists() else fitted(_read(tokenizer_of(vocabulary)), vocabulary)
    given = _read(beside / "generation_config.json") if (beside / "generation_config.json").exists() else {}
    return Extra(tokenizer, given.get("suppress_tokens"), given.get("begin_suppress_tokens"), name=source.stem)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON; fetch it again") from error
    return found
