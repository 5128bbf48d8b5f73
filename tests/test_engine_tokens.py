"""Token ids by name, from the files beside the weights, and text that comes back as it went in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.config import TEST_MODEL
from endpoint.errors import ConfigError

pytest.importorskip("tokenizers", reason="the base build has no engine")
from endpoint.engine.tokens import TIMESTAMPS, WhisperTokens
from endpoint.languages import NAMES

TOKENS = WhisperTokens.load(TEST_MODEL)
unhurried = settings(deadline=None)


def copy(folder: Path, **changes: Callable[[Any], Any]) -> Path:
    """The test model's token files in `folder`, some of them changed: name of a JSON file -> what is done to it."""
    for name in ("tokenizer", "generation_config", "config"):
        shutil.copy(TEST_MODEL / f"{name}.json", folder)
        if name in changes:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(changes[name](json.loads(path.read_text()))))
    return folder


def test_every_id_is_what_its_name_says() -> None:
    names = {
        TOKENS.eot: "<|endoftext|>",
        TOKENS.sot: "<|startoftranscript|>",
        TOKENS.prev: "<|startofprev|>",
        TOKENS.slot: "<|startoflm|>",
        TOKENS.no_timestamps: "<|notimestamps|>",
        TOKENS.first_time: "<|0.00|>",
        TOKENS.transcribe: "<|transcribe|>",
        TOKENS.translate: "<|translate|>",
        **{number: f"<|{code}|>" for code, number in TOKENS.languages.items()},
    }
    assert {number: TOKENS.codec.id_to_token(number) for number in names} == names
    assert TOKENS.codec.id_to_token(TOKENS.no_speech) in ("<|nospeech|>", "<|nocaptions|>")
    assert list(TOKENS.languages) == list(NAMES)


def test_what_is_never_generated() -> None:
    special = {TOKENS.sot, TOKENS.prev, TOKENS.slot, TOKENS.no_speech, TOKENS.transcribe, TOKENS.translate}
    assert set(TOKENS.suppressed) >= special | set(TOKENS.languages.values())
    assert TOKENS.eot not in TOKENS.suppressed
    assert not any(TOKENS.is_time(number) for number in TOKENS.suppressed)
    assert set(TOKENS.suppressed_first) == {TOKENS.encode(" ")[0], TOKENS.eot}


def test_timestamps() -> None:
    last = TOKENS.first_time + TIMESTAMPS - 1
    assert TOKENS.codec.id_to_token(last) == "<|30.00|>"
    assert [TOKENS.milliseconds(t) for t in (TOKENS.first_time, TOKENS.first_time + 1, last)] == [0, 20, 30_000]
    assert [TOKENS.is_time(t) for t in (TOKENS.first_time - 1, TOKENS.first_time, last, last + 1)] == [
        False, True, True, False,
    ]  # fmt: skip


@unhurried
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<|")))
def test_text_comes_back(text: str) -> None:
    assert TOKENS.decode(TOKENS.encode(text)) == text


@pytest.mark.parametrize("name", ["<|endoftext|>", "<|startoftranscript|>", "<|de|>", "<|0.00|>", "<|translate|>"])
def test_special_tokens_written_out_steer_nothing(name: str) -> None:
    ids = TOKENS.encode(f" one{name} two")
    assert all(number < TOKENS.eot for number in ids)
    assert TOKENS.decode(ids) == " one two"


def test_special_tokens_are_not_text() -> None:
    one = TOKENS.encode(" one")
    assert TOKENS.decode([TOKENS.first_time, *one, TOKENS.first_time + 9, TOKENS.eot]) == " one"


def test_an_english_only_model_has_no_languages(tmp_path: Path) -> None:
    english = WhisperTokens.load(copy(tmp_path, generation_config=lambda c: {**c, "is_multilingual": False}))
    assert TOKENS.multilingual
    assert not english.multilingual
    assert english.languages == {}
    assert set(english.suppressed) >= set(TOKENS.languages.values())  # never generated, either


def test_a_minus_one_in_the_suppressed_list_is_no_token(tmp_path: Path) -> None:
    loaded = WhisperTokens.load(copy(tmp_path, generation_config=lambda c: {**c, "suppress_tokens": [-1, 5]}))
    assert min(loaded.suppressed) == 5


@pytest.mark.parametrize("missing", ["tokenizer.json", "generation_config.json", "config.json"])
def test_a_missing_file_is_a_wrong_setting(missing: str, tmp_path: Path) -> None:
    (copy(tmp_path) / missing).unlink()
    with pytest.raises(ConfigError, match="not a Whisper model"):
        WhisperTokens.load(tmp_path)


def test_a_broken_file_is_a_wrong_setting(tmp_path: Path) -> None:
    (copy(tmp_path) / "tokenizer.json").write_text("{")
    with pytest.raises(ConfigError, match="not a Whisper model"):
        WhisperTokens.load(tmp_path)


def test_a_config_without_a_vocabulary_is_a_wrong_setting(tmp_path: Path) -> None:
    copy(tmp_path, config=lambda c: {k: v for k, v in c.items() if k != "vocab_size"})
    with pytest.raises(ConfigError, match="vocab_size"):
        WhisperTokens.load(tmp_path)


def test_a_tokenizer_without_whispers_tokens_is_named(tmp_path: Path) -> None:
    def without(tokenizer: Any) -> Any:
        tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] != "<|startofprev|>"]
        return tokenizer

    with pytest.raises(ConfigError, match=r"<\|startofprev\|>"):
        WhisperTokens.load(copy(tmp_path, tokenizer=without))


@unhurried
@given(st.text(max_size=30))
def test_the_bytes_of_tokens_are_the_text(text: str) -> None:
    ids = TOKENS.encode(text)
    assert b"".join(map(TOKENS.data, ids)).decode(errors="replace") == TOKENS.decode(ids)
