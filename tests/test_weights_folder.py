"""The folder that is written is one that the engine and its tokens load."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="the base build has no engine")
from safetensors.numpy import load_file

from endpoint.config import TEST_MODEL
from endpoint.errors import ConfigError
from endpoint.weights.folder import Extra, Tensor, write_folder, write_tensors
from endpoint.weights.known import suppressed
from tests import foreign

TOKENIZER = json.loads((TEST_MODEL / "tokenizer.json").read_text(encoding="utf-8"))


def tensors() -> dict[str, Tensor]:
    return {name: Tensor.of(value) for name, value in foreign.weights().items()}


def test_sizes_are_read_off_the_weights(tmp_path: Path) -> None:
    write_folder(tmp_path, tensors(), Extra(TOKENIZER))
    wanted = json.loads((TEST_MODEL / "config.json").read_text())
    found = json.loads((tmp_path / "config.json").read_text())
    for name in ("vocab_size", "d_model", "encoder_layers", "decoder_layers", "num_mel_bins", "encoder_ffn_dim",
                 "decoder_ffn_dim", "encoder_attention_heads", "decoder_attention_heads", "max_target_positions",
                 "eos_token_id", "decoder_start_token_id"):  # fmt: skip
        assert found[name] == wanted[name], name
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    known = json.loads((TEST_MODEL / "generation_config.json").read_text())
    assert generation["lang_to_id"] == known["lang_to_id"]
    assert generation["is_multilingual"] is True


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    added = [*TOKENIZER["added_tokens"], {"id": 99_999, "content": "<|new|>"}]
    with pytest.raises(ConfigError, match="99999"):
        write_folder(tmp_path, tensors(), Extra({**TOKENIZER, "added_tokens": added}))


def test_the_librarys_own_reader_reads_what_is_written(tmp_path: Path) -> None:
    given = {
        "half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "none": np.zeros((0, 4), np.float32),
        "one": np.ones(1, np.float32),
    }
    write_tensors(tmp_path / "x.safetensors", {name: Tensor.of(value) for name, value in given.items()})
    found = load_file(tmp_path / "x.safetensors")
    assert found.keys() == given.keys()
    for name, value in given.items():
        assert found[name].dtype == value.dtype
        assert np.array_equal(found[name], value)


def test_one_tensor_at_a_time_is_made(tmp_path: Path) -> None:
    living = list[weakref.ref[np.ndarray]]()
    most = 0

    def make() -> np.ndarray:
        nonlocal most
        living.append(weakref.ref(array := np.zeros(1000, np.float32)))
        most = max(most, sum(one() is not None for one in living))
        return array

    tensor = Tensor((1000,), np.dtype(np.float32), make)
    write_tensors(tmp_path / "x.safetensors", dict.fromkeys(map(str, range(20)), tensor))
    assert most <= 2  # the one before is let go when the next one is made


def test_an_array_of_another_shape_than_declared_is_refused(tmp_path: Path) -> None:
    wrong = Tensor((3,), np.dtype(np.float32), lambda: np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="shape"):
        write_tensors(tmp_path / "x.safetensors", {"x": wrong})


def test_weights_that_no_whisper_has_and_missing_ones_are_named(tmp_path: Path) -> None:
    one = Tensor.of(np.ones(3, np.float32))
    with pytest.raises(ConfigError, match=r"too many: model\.decoder\.adapter\.weight; fetch"):
        write_folder(tmp_path, {**tensors(), "model.decoder.adapter.weight": one}, Extra(TOKENIZER))
    less = {name: value for name, value in tensors().items() if ".decoder.layers.0." not in name}
    with pytest.raises(ConfigError, match=r"too few weights: model\.decoder\.layers\.\d\..* and \d+ more"):
        write_folder(tmp_path, less, Extra(TOKENIZER))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"suppress": [5]}, ([5], None)),
        ({"suppress_first": []}, (None, [])),
        ({"suppress": [], "suppress_first": [6]}, ([], [6])),
    ],
)
def test_a_list_that_is_given_is_kept_and_the_other_made(given: dict, found: tuple, tmp_path: Path) -> None:
    write_folder(tmp_path, tensors(), Extra(TOKENIZER, **given))
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    made = suppressed(TOKENIZER)
    for name, kept, own in zip(("suppress_tokens", "begin_suppress_tokens"), found, made, strict=True):
        assert generation[name] == (own if kept is None else kept)
