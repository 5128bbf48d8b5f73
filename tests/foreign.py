"""The test model in the formats of others: CTranslate2's model.bin, OpenAI's .pt."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from benchmarks.openai_file import write as write_openai
from endpoint.config import TEST_MODEL

KINDS = {"float32": 0, "int8": 1, "int16": 2, "float16": 4, "bfloat16": 5}
TYPES = {np.dtype("f4"): 0, np.dtype("i1"): 1, np.dtype("i2"): 2, np.dtype("f2"): 4, np.dtype("u2"): 5}


def weights() -> dict[str, np.ndarray]:
    return {name: value.astype(np.float32) for name, value in load_file(TEST_MODEL / "model.safetensors").items()}


def ctranslate2(folder: Path, kind: str, rest: type[np.floating] = np.float32) -> Path:
    """A folder as faster-whisper has it, its matrices of this kind. rest: of what integers do not replace."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {}
    for name, value in _variables(weights()).items():
        matrix = value.ndim == 2 and "encodings" not in name
        if kind == "int8" and matrix:
            scale = 127 / np.abs(value).max(1)
            variables[name] = np.rint(value * scale[:, None]).astype(np.int8)
            variables[f"{name}_scale"] = scale.astype(np.float32)
        elif kind == "int16" and matrix:
            scale = np.float32(2**10 / np.abs(value).max())
            variables[name] = np.rint(value * scale).astype(np.int16)
            variables[f"{name}_scale"] = np.array(scale)
        elif kind == "bfloat16":
            variables[name] = (value.view(np.uint32) >> 16).astype(np.uint16)
        else:
            variables[name] = value.astype(np.float16 if kind == "float16" else rest)
    (folder / "model.bin").write_bytes(_binary(variables))
    generation = json.loads((TEST_MODEL / "generation_config.json").read_text())
    settings = {
        "alignment_heads": generation["alignment_heads"],
        "suppress_ids": generation["suppress_tokens"],
        "suppress_ids_begin": generation["begin_suppress_tokens"],
        "lang_ids": sorted(generation["lang_to_id"].values()),
    }
    (folder / "config.json").write_text(json.dumps(settings))
    shutil.copy(TEST_MODEL / "tokenizer.json", folder)
    return folder


def _variables(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}

    def linear(theirs: str, *ours: str) -> None:
        out[f"{theirs}/weight"] = np.concatenate([found[f"{name}.weight"] for name in ours])
        width = [len(found[f"{name}.weight"]) for name in ours]
        zeros = (np.zeros(size, np.float32) for size in width)
        out[f"{theirs}/bias"] = np.concatenate([found.get(f"{n}.bias", z) for n, z in zip(ours, zeros, strict=True)])

    def norm(theirs: str, ours: str) -> None:
        out[f"{theirs}/gamma"], out[f"{theirs}/beta"] = found[f"{ours}.weight"], found[f"{ours}.bias"]

    for side in ("encoder", "decoder"):
        layers = {name.split(".")[3] for name in found if name.startswith(f"model.{side}.layers.")}
        for k in layers:
            ours, theirs = f"model.{side}.layers.{k}", f"{side}/layer_{k}"
            norm(f"{theirs}/self_attention/layer_norm", f"{ours}.self_attn_layer_norm")
            linear(f"{theirs}/self_attention/linear_0", *(f"{ours}.self_attn.{part}_proj" for part in "qkv"))
            linear(f"{theirs}/self_attention/linear_1", f"{ours}.self_attn.out_proj")
            if side == "decoder":
                norm(f"{theirs}/attention/layer_norm", f"{ours}.encoder_attn_layer_norm")
                linear(f"{theirs}/attention/linear_0", f"{ours}.encoder_attn.q_proj")
                linear(f"{theirs}/attention/linear_1", *(f"{ours}.encoder_attn.{part}_proj" for part in "kv"))
                linear(f"{theirs}/attention/linear_2", f"{ours}.encoder_attn.out_proj")
            norm(f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm")
            linear(f"{theirs}/ffn/linear_0", f"{ours}.fc1")
            linear(f"{theirs}/ffn/linear_1", f"{ours}.fc2")
        norm(f"{side}/layer_norm", f"model.{side}.layer_norm")
        out[f"{side}/position_encodings/encodings"] = found[f"model.{side}.embed_positions.weight"]
    for k in (1, 2):
        linear(f"encoder/conv{k}", f"model.encoder.conv{k}")
    out["decoder/embeddings/weight"] = found["model.decoder.embed_tokens.weight"]
    return out


def _string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _binary(variables: dict[str, np.ndarray]) -> bytes:
    out = [struct.pack("<I", 6), _string("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        sizes = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        out += [_string(name), sizes, struct.pack("<BI", TYPES[value.dtype], value.nbytes), value.tobytes()]
    alias = [struct.pack("<I", 1), _string("decoder/projection/weight"), _string("decoder/embeddings/weight")]
    return b"".join(out + alias)


def openai(path: Path) -> Path:
    """A .pt file with the tokenizer beside it."""
    write_openai(TEST_MODEL, path)
    for name in ("tokenizer.json", "generation_config.json"):
        shutil.copy(TEST_MODEL / name, path.parent)
    return path
