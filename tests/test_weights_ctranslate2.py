"""CTranslate2's folders of every weight type become the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="the base build has no engine")
from safetensors.numpy import load_file

from endpoint.config import TEST_MODEL
from endpoint.engine.checkpoint import alignment_heads
from endpoint.engine.tokens import WhisperTokens
from endpoint.errors import ConfigError
from endpoint.weights.ctranslate2 import convert
from endpoint.weights.find import check_folder
from tests import foreign


def no_tokenizer(vocabulary: int) -> Path:
    raise ConfigError("no network")


# How far a weight may be off, as a share of its matrix's largest.
FAR = {"float32": 0.0, "float16": 1e-3, "bfloat16": 8e-3, "int8": 5e-3, "int16": 3e-3}


@pytest.mark.parametrize("kind", FAR)
def test_every_weight_type_gives_the_weights_back(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    convert(foreign.ctranslate2(tmp_path / "in", kind), target, no_tokenizer)
    check_folder(target)
    wanted, found = foreign.weights(), load_file(target / "model.safetensors")
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        off = np.abs(found[name].astype(np.float32) - value).max()
        assert off <= FAR[kind] * np.abs(value).max(), name
    before, after = WhisperTokens.load(TEST_MODEL), WhisperTokens.load(target)
    assert (after.languages, after.suppressed, after.suppressed_first) == (
        before.languages,
        before.suppressed,
        before.suppressed_first,
    )
    assert alignment_heads(target) == alignment_heads(TEST_MODEL)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:10], "not a whole"),
        (lambda data: b"\7" + data[1:], "version is 7"),
        (lambda data: data.replace(b"WhisperSpec", b"OtherrrSpec", 1), "OtherrrSpec"),
    ],
)
def test_what_is_no_whole_model_is_refused(spoil, message: str, tmp_path: Path) -> None:
    source, target = foreign.ctranslate2(tmp_path / "in", "float16"), tmp_path / "out"
    target.mkdir()
    (source / "model.bin").write_bytes(spoil((source / "model.bin").read_bytes()))
    with pytest.raises(ConfigError, match=message):
        convert(source, target, no_tokenizer)


def test_a_folder_of_nothing_but_the_model_is_enough_where_a_tokenizer_is_found(tmp_path: Path) -> None:
    source, target = foreign.ctranslate2(tmp_path / "in", "float16"), tmp_path / "out"
    target.mkdir()
    (source / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (source / "config.json").unlink()
    asked = []

    def tokenizer_of(vocabulary: int) -> Path:
        asked.append(vocabulary)
        return tmp_path / "tokenizer.json"

    convert(source, target, tokenizer_of)
    found, known = WhisperTokens.load(target), WhisperTokens.load(TEST_MODEL)
    assert asked == [known.vocabulary]
    assert (found.suppressed, found.suppressed_first) == (known.suppressed, known.suppressed_first)


def test_weights_that_stayed_float16_beside_integers_are_not_made_larger(tmp_path: Path) -> None:
    """An int8 folder made of a float16 model: what it does not quantize is float16."""
    source, target = foreign.ctranslate2(tmp_path / "in", "int8", rest=np.float16), tmp_path / "out"
    target.mkdir()
    convert(source, target, no_tokenizer)
    assert {value.dtype.name for value in load_file(target / "model.safetensors").values()} == {"float16"}
    assert json.loads((target / "config.json").read_text())["dtype"] == "float16"


@pytest.mark.parametrize("content", ["[]", "{", "3"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_other_files_that_are_no_objects_are_refused(name: str, content: str, tmp_path: Path) -> None:
    source = foreign.ctranslate2(tmp_path / "in", "float16")
    (source / name).write_text(content)
    with pytest.raises(ConfigError, match="not a whole CTranslate2 model"):
        convert(source, tmp_path, no_tokenizer)
