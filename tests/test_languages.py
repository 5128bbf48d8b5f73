"""The languages are Whisper's, and their usual names are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.languages import _ALIASES, CODES, NAMES, WITHOUT_SPACES, find_language


def test_the_hundred_of_large_v3_in_order() -> None:
    assert len(NAMES) == len(CODES) == 100
    assert list(NAMES)[:5] == ["en", "zh", "de", "es", "ru"]
    assert list(NAMES)[-2:] == ["su", "yue"]
    assert NAMES["ht"] == "haitian creole"


def test_they_are_transformers_languages() -> None:
    tables = pytest.importorskip("transformers.models.whisper.tokenization_whisper", reason="the base build")
    assert tables.LANGUAGES == NAMES
    theirs = tables.TO_LANGUAGE_CODE
    assert {name: find_language(name) for name in theirs} == theirs


def test_aliases_lead_to_languages_and_hide_none() -> None:
    assert set(_ALIASES.values()) <= set(NAMES)
    assert not set(_ALIASES) & (set(NAMES) | set(CODES))
    assert set(NAMES) >= WITHOUT_SPACES


@given(
    st.sampled_from(sorted(NAMES)), st.sampled_from(["", "-BR", "_br", "-Hant-TW"]), st.sampled_from(["", " ", "\t"])
)
def test_codes_in_any_case_with_any_region(code: str, region: str, space: str) -> None:
    assert find_language(f"{space}{code}{region}{space}") == code
    assert find_language(f"{code}{region}".upper()) == code


@given(st.sampled_from(sorted(CODES)))
def test_english_names_in_any_case(name: str) -> None:
    assert find_language(name.title()) == CODES[name]
    assert find_language(name.upper()) == CODES[name]


@pytest.mark.parametrize("text", ["", " ", "-", "xx", "english german", "klingon", "e n", "<|en|>"])
def test_what_is_no_language(text: str) -> None:
    assert find_language(text) is None


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    found = find_language(text)
    assert found is None or found in NAMES


@pytest.mark.parametrize(
    ("text", "code"),
    [("pt-BR", "pt"), ("zh-HK", "yue"), ("zh_yue", "yue"), ("zh-TW", "zh"), ("nb-NO", "no"), ("DEU", "de"),
     ("ger", "de"), ("cmn-Hans-CN", "zh"), ("ell", "el"), ("English", "en"), ("yue", "yue")],
)  # fmt: skip
def test_codes_of_three_letters_and_regions(text: str, code: str) -> None:
    assert find_language(text) == code
