"""OpenAI's own files: a .pt with the model's sizes and weights, and no tokenizer.

Names: openai/whisper model.py. The tokenizer of multilingual models is that of any other Whisper of its size of
vocabulary: taken from a tokenizer.json beside the file, else from whisper-base.
"""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from endpoint.errors import ConfigError
from endpoint.weights.folder import Extra, write_folder

MULTILINGUAL, WITH_CANTONESE = 51_865, 51_866  # sizes of vocabulary; English-only models have 51,864
_BEFORE_CANTONESE = "<|su|>"
# (decoder layers, width, vocabulary) -> heads that follow the words, as (layer, head): openai/whisper __init__.py
_HEADS: dict[tuple[int, int, int], str] = {
    (4, 384, MULTILINGUAL): "2.2 3.0 3.2 3.3 3.4 3.5",
    (6, 512, MULTILINGUAL): "3.1 4.2 4.3 4.7 5.1 5.2 5.4 5.6",
    (12, 768, MULTILINGUAL): "5.3 5.9 8.0 8.4 8.7 8.8 9.0 9.7 9.9 10.5",
    (24, 1024, MULTILINGUAL): "13.15 15.4 15.15 16.1 20.0 23.4",
    (32, 1280, MULTILINGUAL): "10.12 13.17 16.11 16.12 16.13 17.15 17.16 18.4 18.11 18.19 19.11 21.2 21.3 22.3 22.9 "
    "22.12 23.5 23.7 23.13 25.5 26.1 26.12 27.15",
    (32, 1280, WITH_CANTONESE): "7.0 10.17 12.18 13.12 16.1 17.14 19.11 21.4 24.1 25.6",
    (4, 1280, WITH_CANTONESE): "2.4 2.11 3.3 3.6 3.11 3.14",
}
_LARGE_V1 = "9.19 11.2 11.4 11.17 22.7 22.11 22.17 23.2 23.15"  # of the sizes of large-v2: told by the file's name
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


def convert(source: Path, target: Path, base: Callable[[], Path]) -> None:
    """Write the model of a .pt file into the empty folder `target`.

    base: gives a folder of a multilingual Whisper in CTranslate2's format, whose tokenizer to take. Raises ConfigError.
    """
    state, dims = _load(source)
    weights = {_renamed(name): value.numpy() for name, value in state.items() if "alignment_heads" not in name}
    vocabulary = len(weights["model.decoder.embed_tokens.weight"])
    sizes = int(dims["n_text_layer"]), int(dims["n_text_state"]), vocabulary
    tokenizer, suppressed, first = _tokenizer(source, vocabulary, base)
    write_folder(target, weights, Extra(tokenizer, suppressed, first, alignment_heads(source.stem, sizes)))


def alignment_heads(name: str, sizes: tuple[int, int, int]) -> list[tuple[int, int]]:
    """(layer, head) of the decoder's heads that follow the words; empty for sizes that OpenAI has no model of.

    sizes: decoder layers, width, vocabulary.
    """
    listed = _LARGE_V1 if "large-v1" in name else _HEADS.get(sizes, "")
    pairs = (pair.split(".") for pair in listed.split())
    return [(int(layer), int(head)) for layer, head in pairs]


def _load(source: Path) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    import torch

    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source))
        return loaded["model_state_dict"], loaded["dims"]
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{source} holds more than weights, and is not loaded: unpickling it could run code. Take the file from "
            "OpenAI, or a model in safetensors"
        ) from error
    except (KeyError, TypeError, EOFError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{source} is not a whole Whisper of OpenAI's; fetch it again") from error


def _renamed(name: str) -> str:
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _tokenizer(source: Path, vocabulary: int, base: Callable[[], Path]) -> tuple[dict[str, Any], list[int], list[int]]:
    """tokenizer.json, and the ids that are suppressed everywhere and first."""
    beside = source.parent
    if (beside / "tokenizer.json").exists():
        tokenizer = _read(beside / "tokenizer.json")
        given = _read(beside / "generation_config.json") if (beside / "generation_config.json").exists() else {}
        return tokenizer, given.get("suppress_tokens") or [], given.get("begin_suppress_tokens") or []
    if vocabulary not in (MULTILINGUAL, WITH_CANTONESE):
        raise ConfigError(
            f"{source} has no tokenizer in it: put the tokenizer.json and generation_config.json of the same model in "
            "Hugging Face's format beside it"
        )
    try:
        folder = base()
    except ConfigError as error:
        raise ConfigError(
            f"{source} has no tokenizer in it, and that of whisper-base cannot be had: {error.message}. Put a "
            "tokenizer.json of a multilingual Whisper beside it"
        ) from error
    tokenizer, settings = _read(folder / "tokenizer.json"), _read(folder / "config.json")
    if vocabulary == WITH_CANTONESE:
        tokenizer["added_tokens"] = _with_cantonese(tokenizer["added_tokens"])
    end = next(token["id"] for token in tokenizer["added_tokens"] if token["content"] == "<|endoftext|>")
    return tokenizer, [k for k in settings["suppress_ids"] if k < end], settings["suppress_ids_begin"]


def _with_cantonese(tokens: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """large-v3 has one language more: <|yue|> behind the others, and what follows one id later."""
    last = next(token for token in tokens if token["content"] == _BEFORE_CANTONESE)
    moved = [{**token, "id": token["id"] + (token["id"] > last["id"])} for token in tokens]
    at = next(k for k, token in enumerate(moved) if token["content"] == _BEFORE_CANTONESE) + 1
    return [*moved[:at], {**last, "id": last["id"] + 1, "content": "<|yue|>"}, *moved[at:]]


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON; fetch it again") from error
    return found
