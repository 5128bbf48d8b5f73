"""OpenAI's .pt files: their weights are loaded, their pickles are not run."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the base build has no engine")
import torch
from safetensors.numpy import load_file

from endpoint.config import DEMO_MODEL
from endpoint.engine.tokens import WhisperTokens
from endpoint.errors import ConfigError
from endpoint.weights.openai import _with_cantonese, alignment_heads, convert, is_openai
from tests import foreign


def no_base() -> Path:
    raise ConfigError("no network")


def test_the_weights_come_back_under_our_names(tmp_path: Path) -> None:
    source, target = foreign.openai(tmp_path / "in" / "tiny.pt"), tmp_path / "out"
    target.mkdir()
    assert is_openai(source)
    convert(source, target, no_base)
    wanted, found = foreign.weights(), load_file(target / "model.safetensors")
    assert wanted.keys() == found.keys()
    assert all(np.array_equal(found[name], value) for name, value in wanted.items())
    assert WhisperTokens.load(target).suppressed == WhisperTokens.load(DEMO_MODEL).suppressed


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
        convert(path, tmp_path, no_base)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"not a file of torch's", b"PK\3\4 broken"])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.pt"):
        convert(path, tmp_path, no_base)


def test_without_a_tokenizer_it_says_where_to_put_one(tmp_path: Path) -> None:
    source = foreign.openai(tmp_path / "in" / "tiny.pt")
    (source.parent / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"tokenizer\.json .* beside it"):
        convert(source, tmp_path, no_base)


def test_large_v3_has_cantonese_behind_the_other_languages() -> None:
    names = ["<|endoftext|>", "<|jw|>", "<|su|>", "<|translate|>", "<|0.00|>"]
    tokens = [{"id": 50 + k, "content": name, "special": True} for k, name in enumerate(names)]
    moved = {token["content"]: token["id"] for token in _with_cantonese(tokens)}
    assert moved == {
        "<|endoftext|>": 50, "<|jw|>": 51, "<|su|>": 52, "<|yue|>": 53, "<|translate|>": 54, "<|0.00|>": 55,
    }  # fmt: skip
    assert json.dumps(tokens)  # the list that was given is as it was
    assert tokens[3]["id"] == 53


def test_the_heads_are_those_of_the_model() -> None:
    """openai/whisper __init__.py; large-v1 and large-v2 have the same sizes."""
    large = 32, 1280, 51_865
    assert alignment_heads("base", (6, 512, 51_865)) == [(3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)]
    assert alignment_heads("large-v1", large)[0] == (9, 19)
    assert alignment_heads("large-v2", large)[0] == (10, 12)
    assert alignment_heads("mine", (2, 64, 99)) == []
