"""CTranslate2's format, as faster-whisper uses it: model.bin, config.json, tokenizer.json.

model.bin, version 6, little-endian: u32 version; string specification; u32 revision; u32 number of variables; each a
string name, u8 rank, u32 sizes, u8 type, u32 bytes, data; then u32 number of aliases, each two strings, alias and name.
A string is u16 length and bytes, a zero last. Source: OpenNMT/CTranslate2 python/ctranslate2/specs/model_spec.py.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from endpoint.errors import ConfigError
from endpoint.weights.folder import Extra, Weights, write_folder

Array = npt.NDArray[Any]

VERSION = 6
SPECIFICATION = "WhisperSpec"
_BFLOAT16 = 5
_TYPES: dict[int, npt.DTypeLike] = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2", _BFLOAT16: "<u2"}
FILES = ("model.bin", "config.json", "tokenizer.json")


def is_ctranslate2(folder: Path) -> bool:
    return (folder / "model.bin").exists()


def convert(source: Path, target: Path) -> None:
    """Write the model of the folder `source` into the empty folder `target`. Raises ConfigError."""
    if missing := [name for name in FILES if not (source / name).exists()]:
        raise ConfigError(f"{source} is a CTranslate2 model without {missing[0]}; fetch it again")
    try:
        settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
        extra = Extra(
            json.loads((source / "tokenizer.json").read_text(encoding="utf-8")),
            settings.get("suppress_ids", ()),
            settings.get("suppress_ids_begin", ()),
            settings.get("alignment_heads", ()),
        )
        write_folder(target, _renamed(_read(source / "model.bin")), extra)
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not a whole CTranslate2 model of Whisper ({error}); fetch it again") from error


def _read(path: Path) -> dict[str, Array]:
    """Variables by name, views of the file."""
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    at = 0

    def number(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{kind}", pages, at)
        at += struct.calcsize(kind)
        return int(value)

    def string() -> str:
        nonlocal at
        size = number("H")
        value = pages[at : at + size].rstrip(b"\0").decode()
        at += size
        return value

    if (version := number("I")) != VERSION:
        raise ValueError(f"its version is {version}, and {VERSION} is known")
    if (name := string()) != SPECIFICATION:
        raise ValueError(f"it is a {name}")
    number("I")
    found: dict[str, Array] = {}
    for _ in range(number("I")):
        name = string()
        sizes = [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        if kind not in _TYPES or at + size > len(pages):
            raise ValueError(f"{name} is cut off, or of the unknown type {kind}")
        dtype = np.dtype(_TYPES[kind])
        value = np.frombuffer(pages, dtype, size // dtype.itemsize, at).reshape(sizes)
        found[name] = _from_bfloat16(value) if kind == _BFLOAT16 else value
        at += size
    for _ in range(number("I")):
        alias, name = string(), string()
        found[alias] = found[name]
    return found


def _from_bfloat16(value: Array) -> Array:
    """uint16 to float32: the upper half of its bits."""
    return (value.astype(np.uint32) << 16).view(np.float32)


def _plain(found: dict[str, Array], name: str) -> Array:
    """A float array: integers are divided by their scales, of a row (int8) or of all (int16)."""
    value = found[name]
    if value.dtype.kind != "i":
        return value
    scale = found[f"{name}_scale"].astype(np.float32)
    return value.astype(np.float32) / scale.reshape(-1, *[1] * (value.ndim - 1))


def _renamed(found: dict[str, Array]) -> Weights:
    out: dict[str, Array] = {}

    def take(name: str) -> Array:
        return _plain(found, name)

    for side in ("encoder", "decoder"):
        number = 0
        while f"{side}/layer_{number}/self_attention/linear_0/weight" in found:
            _layer(out, take, side, number)
            number += 1
        _norm(out, take, f"model.{side}.layer_norm", f"{side}/layer_norm")
        out[f"model.{side}.embed_positions.weight"] = take(f"{side}/position_encodings/encodings")
    for number in (1, 2):
        _linear(out, take, f"model.encoder.conv{number}", f"encoder/conv{number}")
    out["model.decoder.embed_tokens.weight"] = take("decoder/embeddings/weight")
    kind = np.float16 if found["encoder/conv1/weight"].dtype == np.float16 else np.float32
    return {name: value.astype(kind, copy=False) for name, value in out.items()}


Take = Callable[[str], Array]


def _layer(out: dict[str, Array], take: Take, side: str, number: int) -> None:
    ours, theirs = f"model.{side}.layers.{number}", f"{side}/layer_{number}"
    _norm(out, take, f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm")
    _split(out, take, f"{ours}.self_attn", f"{theirs}/self_attention/linear_0", "qkv")
    _linear(out, take, f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1")
    if side == "decoder":
        _norm(out, take, f"{ours}.encoder_attn_layer_norm", f"{theirs}/attention/layer_norm")
        _split(out, take, f"{ours}.encoder_attn", f"{theirs}/attention/linear_0", "q")
        _split(out, take, f"{ours}.encoder_attn", f"{theirs}/attention/linear_1", "kv")
        _linear(out, take, f"{ours}.encoder_attn.out_proj", f"{theirs}/attention/linear_2")
    _norm(out, take, f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")
    _linear(out, take, f"{ours}.fc1", f"{theirs}/ffn/linear_0")
    _linear(out, take, f"{ours}.fc2", f"{theirs}/ffn/linear_1")


def _linear(out: dict[str, Array], take: Take, ours: str, theirs: str) -> None:
    out[f"{ours}.weight"], out[f"{ours}.bias"] = take(f"{theirs}/weight"), take(f"{theirs}/bias")


def _norm(out: dict[str, Array], take: Take, ours: str, theirs: str) -> None:
    out[f"{ours}.weight"], out[f"{ours}.bias"] = take(f"{theirs}/gamma"), take(f"{theirs}/beta")


def _split(out: dict[str, Array], take: Take, ours: str, theirs: str, parts: str) -> None:
    """Queries, keys and values one above the other. Whisper's keys have no bias: those rows are zero."""
    weights, biases = np.split(take(f"{theirs}/weight"), len(parts)), np.split(take(f"{theirs}/bias"), len(parts))
    for part, weight, bias in zip(parts, weights, biases, strict=True):
        out[f"{ours}.{part}_proj.weight"] = weight
        if part != "k":
            out[f"{ours}.{part}_proj.bias"] = bias
        elif np.abs(bias).max() > 0:
            raise ValueError(f"{theirs} has a bias for its keys, which no Whisper has")
