"""Heads and suppressed tokens are openai/whisper's: by its own tables where it is installed, else by fixed values."""

from __future__ import annotations

import base64
import gzip
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers", reason="the base build has no engine")

from endpoint.config import TEST_MODEL
from endpoint.weights.known import ENGLISH, MULTILINGUAL, WITH_CANTONESE, alignment_heads, fitted, suppressed

PEERS = Path(__file__).parents[1] / "build" / "peers"  # `make quality` installs openai-whisper there
# name: decoder layers, width, vocabulary, heads in a layer, layers of the table, sum of layers and of heads
MODELS = {
    "tiny.en": (4, 384, ENGLISH, 6, 8, 20, 15), "tiny": (4, 384, MULTILINGUAL, 6, 6, 17, 16),
    "base.en": (6, 512, ENGLISH, 8, 5, 22, 23), "base": (6, 512, MULTILINGUAL, 8, 8, 35, 26),
    "small.en": (12, 768, ENGLISH, 12, 19, 169, 82), "small": (12, 768, MULTILINGUAL, 12, 10, 79, 52),
    "medium.en": (24, 1024, ENGLISH, 16, 18, 305, 144), "medium": (24, 1024, MULTILINGUAL, 16, 6, 102, 39),
    "large-v1": (32, 1280, MULTILINGUAL, 20, 9, 154, 94), "large-v2": (32, 1280, MULTILINGUAL, 20, 23, 459, 228),
    "large-v3": (32, 1280, WITH_CANTONESE, 20, 10, 164, 84),
    "large-v3-turbo": (4, 1280, WITH_CANTONESE, 20, 6, 16, 49),
}  # fmt: skip


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """Whether openai-whisper can be imported."""
    if PEERS.exists():
        monkeypatch.syspath_prepend(str(PEERS))
    yield importlib.util.find_spec("whisper") is not None
    for name in [name for name in sys.modules if name.partition(".")[0] == "whisper"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", MODELS)
def test_the_heads_are_those_of_the_model(name: str, reference: bool) -> None:
    layers, width, vocabulary, heads, count, sum_of_layers, sum_of_heads = MODELS[name]
    found = alignment_heads(layers, width, vocabulary, name)
    assert found == sorted(set(found))
    assert (len(found), *map(sum, zip(*found, strict=True))) == (count, sum_of_layers, sum_of_heads)
    if reference:
        table = importlib.import_module("whisper")._ALIGNMENT_HEADS[name]
        mask = np.frombuffer(gzip.decompress(base64.b85decode(table)), dtype=bool).reshape(layers, heads)
        assert found == [(int(layer), int(head)) for layer, head in np.argwhere(mask)]


def test_large_v1_is_known_by_its_name_and_sizes_of_no_model_have_no_heads() -> None:
    large = 32, 1280, MULTILINGUAL
    assert alignment_heads(*large, "faster-whisper-large-v1") != alignment_heads(*large)
    assert alignment_heads(32, 1280, WITH_CANTONESE, "large-v1") == alignment_heads(32, 1280, WITH_CANTONESE)
    assert alignment_heads(2, 64, 99, "large-v1") == []


def byte_level(*merged: str) -> dict:
    """A tokenizer.json as OpenAI's are: single bytes, some of them merged, and the end of a text."""
    from tokenizers.pre_tokenizers import ByteLevel

    pieces = [*sorted(ByteLevel.alphabet()), *merged]
    return {
        "version": "1.0", "normalizer": None, "post_processor": None, "truncation": None, "padding": None,
        "added_tokens": [{"id": len(pieces), "content": "<|endoftext|>", "special": True, "single_word": False,
                          "lstrip": False, "rstrip": False, "normalized": False}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {piece: k for k, piece in enumerate(pieces)}, "unk_token": None,
                  "merges": [[piece[:-1], piece[-1]] for piece in merged]},
    }  # fmt: skip


def test_symbols_of_one_token_and_the_beginnings_of_notes_are_no_speech() -> None:
    tokenizer = byte_level("Ġ-", "Ġ'", "Ġ(", "((", "Ġâ", "ĠâĻ", "âĻ")
    names = {number: piece for piece, number in tokenizer["model"]["vocab"].items()}
    always, first = suppressed(tokenizer)
    found = {names[number] for number in always}
    assert found >= {"Ġ-", "Ġ'", "Ġ(", "((", "âĻ", "ĠâĻ", "(", "[", "#", "~"}
    assert not found & {"Ġâ", "â", "Ġ", "-", "'", "!", ".", ",", "?", "a"}
    assert first == [tokenizer["model"]["vocab"]["Ġ"], len(names)]


def test_a_token_that_begins_other_signs_than_notes_is_kept() -> None:
    """Without a token of two bytes, that of the first begins quotation marks, and a lone space all words."""
    tokenizer = byte_level("Ġ-", "Ġ'")
    vocabulary = tokenizer["model"]["vocab"]
    always, _ = suppressed(tokenizer)
    assert not {vocabulary["â"], vocabulary["Ġ"]} & set(always)


def test_the_demo_models_list_is_made_from_its_tokenizer() -> None:
    """Special tokens are in its list besides; the engine suppresses those of every model."""
    given = json.loads((TEST_MODEL / "generation_config.json").read_text())
    always, first = suppressed(tokenizer := json.loads((TEST_MODEL / "tokenizer.json").read_text()))
    special = {token["id"] for token in tokenizer["added_tokens"]}
    assert set(always) == set(given["suppress_tokens"]) - special
    assert first == given["begin_suppress_tokens"]


@pytest.mark.parametrize("broken", [{}, {"model": None}, {"version": "1.0", "model": {"type": "BPE"}}])
def test_what_is_no_tokenizer_is_a_value_error(broken: dict) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        suppressed(broken)


def test_large_v3_has_cantonese_behind_the_other_languages() -> None:
    names = ["<|endoftext|>", "<|jw|>", "<|su|>", "<|translate|>", "<|0.00|>"]
    tokens = [{"id": 50 + k, "content": name, "special": True} for k, name in enumerate(names)]
    given = {"model": {}, "added_tokens": tokens}
    moved = fitted(given, WITH_CANTONESE)
    assert {token["content"]: token["id"] for token in moved["added_tokens"]} == {
        "<|endoftext|>": 50, "<|jw|>": 51, "<|su|>": 52, "<|yue|>": 53, "<|translate|>": 54, "<|0.00|>": 55,
    }  # fmt: skip
    assert tokens[3]["id"] == 53  # what was given is as it was
    assert fitted(moved, WITH_CANTONESE) == moved
    assert fitted(given, MULTILINGUAL) == given
