"""CTranslate2's format, as faster-whisper uses it: model.bin, config.json, tokenizer.json.

model.bin, version 6, little-endian: u32 version; string specification; u32 revision; u32 number of variables; each a
string name, u8 rank, u32 sizes, u8 type, u32 bytes, data; then u32 number of aliases, each two strings, alias and name.
A string is its length as u16, then bytes that end with a zero.

Source: OpenNMT/CTranslate2 python/ctranslate2/specs/model_spec.py.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from endpoint.errors import ConfigError
from endpoint.weights.folder import Extra, Tensor, Weights, write_folder
from endpoint.weights.known import fitted

Array = npt.NDArray[Any]

VERSION = 6
SPECIFICATION = "WhisperSpec"
_BFLOAT16 = 5
_TYPES: dict[int, npt.DTypeLike] = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2", _BFLOAT16: "<u2"}
FILES = ("model.bin", "config.json", "tokenizer.json")
_NORM = "encoder/layer_norm/gamma"  # stays floating point in every weight type
_EMBEDDING = "decoder/embeddings/weight"


def is_ctranslate2(folder: Path) -> bool:
    return (folder / "model.bin").exists()


def convert(source: Path, target: Path, tokenizer_of: Callable[[int], Path]) -> None:
    """Write the model of the folder `source` into the empty folder `target`. Raises ConfigError.

    tokenizer_of: gives a tokenizer.json for a size of vocabulary, where the folder has none.
    """
    try:
        found = _read(source / "model.bin")
        settings = _json(source / "config.json") if (source / "config.json").exists() else {}
        path = source / "tokenizer.json"
        vocabulary = len(found[_EMBEDDING])
        tokenizer = _json(path) if path.exists() else fitted(_json(tokenizer_of(vocabulary)), vocabulary)
        suppress, first, heads = map(settings.get, ("suppress_ids", "suppress_ids_begin", "alignment_heads"))
        write_folder(target, _renamed(found), Extra(tokenizer, suppress, first, heads, source.name))
    except (struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{source} is not a whole CTranslate2 model of Whisper ({error}); fetch it again") from error


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no object")
    return found


def _read(path: Path) -> dict[str, Array]:
    """Variables by name, as views of the mapped file."""
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
        found[name] = np.frombuffer(pages, dtype, size // dtype.itemsize, at).reshape(sizes)
        at += size
    for _ in range(number("I")):
        alias, name = string(), string()
        found[alias] = found[name]
    return found


def _plain(found: dict[str, Array], name: str) -> Array:
    """As floats: bfloat16 is half of a float32; integers are divided by a scale, per row (int8) or one (int16)."""
    value = found[name]
    if value.dtype == np.dtype(_TYPES[_BFLOAT16]):
        return (value.astype(np.uint32) << 16).view(np.float32)
    if value.dtype.kind != "i":
        return value
    scale = found[f"{name}_scale"].astype(np.float32)
    floats = value.astype(np.float32)
    floats /= scale.reshape(-1, *[1] * (value.ndim - 1))
    return floats


@dataclass(frozen=True)
class _Source:
    """The variables of a file, read as tensors of one type."""

    found: dict[str, Array]
    dtype: np.dtype[Any]

    def take(self, name: str, rows: slice = slice(None)) -> Tensor:
        return Tensor(self.found[name][rows].shape, self.dtype, lambda: _plain(self.found, name)[rows])


def _renamed(found: dict[str, Array]) -> Weights:
    half = found[_NORM].dtype == np.float16
    source = _Source(found, np.dtype(np.float16 if half else np.float32))
    out: dict[str, Tensor] = {}
    for side in ("encoder", "decoder"):
        number = 0
        while f"{side}/layer_{number}/self_attention/linear_0/weight" in found:
            _layer(out, source, side, number)
            number += 1
        _norm(out, source, f"model.{side}.layer_norm", f"{side}/layer_norm")
        out[f"model.{side}.embed_positions.weight"] = source.take(f"{side}/position_encodings/encodings")
    for number in (1, 2):
        _linear(out, source, f"model.encoder.conv{number}", f"encoder/conv{number}")
    out["model.decoder.embed_tokens.weight"] = source.take(_EMBEDDING)
    return out


def _layer(out: dict[str, Tensor], source: _Source, side: str, number: int) -> None:
    ours, theirs = f"model.{side}.layers.{number}", f"{side}/layer_{number}"
    _norm(out, source, f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm")
    _split(out, source, f"{ours}.self_attn", f"{theirs}/self_attention/linear_0", "qkv")
    _linear(out, source, f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1")
    if side == "decoder":
        _norm(out, source, f"{ours}.encoder_attn_layer_norm", f"{theirs}/attention/layer_norm")
        _split(out, source, f"{ours}.encoder_attn", f"{theirs}/attention/linear_0", "q")
        _split(out, source, f"{ours}.encoder_attn", f"{theirs}/attention/linear_1", "kv")
        _linear(out, source, f"{ours}.encoder_attn.out_proj", f"{theirs}/attention/linear_2")
    _norm(out, source, f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")
    _linear(out, source, f"{ours}.fc1", f"{theirs}/ffn/linear_0")
    _linear(out, source, f"{ours}.fc2", f"{theirs}/ffn/linear_1")


def _linear(out: dict[str, Tensor], source: _Source, ours: str, theirs: str) -> None:
    out[f"{ours}.weight"], out[f"{ours}.bias"] = source.take(f"{theirs}/weight"), source.take(f"{theirs}/bias")


def _norm(out: dict[str, Tensor], source: _Source, ours: str, theirs: str) -> None:
    out[f"{ours}.weight"], out[f"{ours}.bias"] = source.take(f"{theirs}/gamma"), source.take(f"{theirs}/beta")


def _split(out: dict[str, Tensor], source: _Source, ours: str, theirs: str, parts: str) -> None:
    """Split stacked rows of queries, keys and values. Whisper's keys have no bias: those rows are zero."""
    rows, rest = divmod(len(source.found[f"{theirs}/weight"]), len(parts))
    if rest:
        raise ValueError(f"{theirs} cannot be cut into {len(parts)}")
    for number, part in enumerate(parts):
        own = slice(number * rows, (number + 1) * rows)
        out[f"{ours}.{part}_proj.weight"] = source.take(f"{theirs}/weight", own)
        bias = source.take(f"{theirs}/bias", own)
        if part != "k":
            out[f"{ours}.{part}_proj.bias"] = bias
        elif np.any(bias.make()):
            raise ValueError(f"{theirs} has a bias for its keys, which no Whisper has")
