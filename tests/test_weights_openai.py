"""OpenAI's .pt files: their weights are loaded, their pickles are not run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the base build has no engine")
import torch
from safetensors.numpy import load_file

from endpoint.config import TEST_MODEL
from endpoint.engine.tokens import WhisperTokens
from endpoint.errors import ConfigError
from endpoint.weights.openai import convert, is_openai
from tests import foreign


def no_tokenizer(vocabulary: int) -> Path:
    raise ConfigError("no network")


def test_the_weights_come_back_under_our_names(tmp_path: Path) -> None:
    source, target = foreign.openai(tmp_path / "in" / "tiny.pt"), tmp_path / "out"
    target.mkdir()
    assert is_openai(source)
    convert(source, target, no_tokenizer)
    wanted, found = foreign.weights(), load_file(target / "model.safetensors")
    assert wanted.keys() == found.keys()
    assert all(np.array_equal(found[name], value) for name, value in wanted.items())
    assert WhisperTokens.load(target).suppressed == WhisperTokens.load(TEST_MODEL).suppressed


class Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("save", [torch.save, lambda data, path: path.write_bytes(pickle.dumps(data))])
def test_a_pickle_that_carries_code_is_refused_and_not_run(save, tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.pt", tmp_path / "ran"
    save({"dims": {}, "model_state_dict": {"x": Harmful(mark)}}, path)
    with pytest.raises(ConfigError, match="could run code"):
        convert(path, tmp_path, no_tokenizer)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"not a file of torch's", b"PK\3\4 broken"])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.pt"):
        convert(path, tmp_path, no_tokenizer)


def test_heads_and_suppressed_tokens_are_made_where_no_settings_lie_beside(tmp_path: Path) -> None:
    source, target = foreign.openai(tmp_path / "in" / "tiny.pt"), tmp_path / "out"
    (source.parent / "generation_config.json").unlink()
    (source.parent / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    target.mkdir()
    convert(source, target, lambda vocabulary: tmp_path / "tokenizer.json")
    found, known = WhisperTokens.load(target), WhisperTokens.load(TEST_MODEL)
    assert (found.suppressed, found.suppressed_first) == (known.suppressed, known.suppressed_first)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64, torch.float16])
def test_other_types_become_float16_or_float32(kind: torch.dtype, tmp_path: Path) -> None:
    source, target = foreign.openai(tmp_path / "in" / "tiny.pt"), tmp_path / "out"
    target.mkdir()
    loaded = torch.load(source, weights_only=True)
    state = {name: value.to(kind) for name, value in loaded["model_state_dict"].items()}
    torch.save({**loaded, "model_state_dict": state}, source)
    convert(source, target, no_tokenizer)
    found = load_file(target / "model.safetensors")
    assert {value.dtype.name for value in found.values()} == {"float16" if kind == torch.float16 else "float32"}
    name = "decoder.token_embedding.weight"
    assert np.array_equal(found["model.decoder.embed_tokens.weight"], state[name].to(torch.float32).numpy())


def test_a_file_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    source = foreign.openai(tmp_path / "in" / "tiny.pt")
    loaded = torch.load(source, weights_only=True)
    del loaded["model_state_dict"]["decoder.blocks.0.mlp.0.bias"]
    torch.save(loaded, source)
    with pytest.raises(ConfigError, match=r"too few weights: model\.decoder\.layers\.0\.fc1\.bias"):
        convert(source, tmp_path, no_tokenizer)
    torch.save({"dims": {}, "model_state_dict": {"x": 3}}, source)
    with pytest.raises(ConfigError, match=r"not a whole Whisper of OpenAI's"):
        convert(source, tmp_path, no_tokenizer)
