"""Punctuation of another text, and that nothing but punctuation and case is taken from it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.text.punctuation import MARKS, WordsChanged, punctuated, sentence_ends
from endpoint.types import Segment, Word
from tests.api_support import segment


def timed(*texts: str | list[str]) -> list[Segment]:
    """A segment for each text, with its words; a list is the words themselves."""
    made = []
    for k, text in enumerate(texts):
        words = text if isinstance(text, list) else re.findall(r"\s*\S+", text)
        own = tuple(Word(word, k * 1000 + 10 * j, k * 1000 + 10 * j + 9) for j, word in enumerate(words))
        made.append(replace(segment(k, k * 1000, k * 1000 + 900, "".join(words)), words=own))
    return made


def shown(segments: list[Segment]) -> list[str]:
    for one in segments:
        assert "".join(word.text for word in one.words or ()) == one.text
    return [one.text for one in segments]


@pytest.mark.parametrize(
    ("language", "text", "raw", "expected"),
    [
        ("en", "Hello, world! How are you? I'm fine.", [" hello world how", " are you i'm fine"],
         [" Hello, world! How", " are you? I'm fine."]),
        ("en", "Hello world", [" hello, world."], [" Hello world"]),
        ("fr", "Il dit : « Oui ! » et part.", [" il dit", " oui et part"], [" Il dit :", " « Oui ! » et part."]),
        ("en", "Yes—no. “Maybe”, he thought — well.", [" yes no maybe he", " thought well"],
         [" Yes — no. “Maybe”, he", " thought — well."]),
        ("en", "It's 3.5, isn't it? Twenty-five well-known, e.g. men.", [" it's 3.5 isn't it twenty five",
         " well-known e.g men"], [" It's 3.5, isn't it? Twenty five", " well-known, e.g. men."]),
        ("en", 'Foo (bar) "baz" end', [" foo bar baz end"], [' Foo (bar) "baz" end']),
        ("es", "¿Qué tal? ¡Bien!", [" qué tal", " bien"], [" ¿Qué tal?", " ¡Bien!"]),
        ("tr", "Isı kır.", [" ısı kır"], [" Isı kır."]),
        ("zh", "今天天气很好，我们去“公园”玩。用 Python，好吗？",
         [list("今天天气很好我们去公园"), ["玩", "用", " Python", "好吗"]],
         ["今天天气很好，我们去“公园”", "玩。用 Python，好吗？"]),
        ("th", "วันนี้อากาศดี ไป", [" วันนี้", " อากาศดี ไป"], [" วันนี้", " อากาศดี ไป"]),
        ("hi", "यह है। वह है।", [" यह है", " वह है"], [" यह है।", " वह है।"]),
        ("ar", "كيف حالك؟ أنا بخير.", [" كيف حالك", " أنا بخير"], [" كيف حالك؟", " أنا بخير."]),
        ("en", "foo, bar", [" foo", ". . .", " bar"], [" foo", ". . .", " bar"]),  # marks that are a segment
        ("en", "Foo bar.", [" foo b", "ar"], [" Foo b", "ar"]),  # a word in two segments
        ("en", "", ["", ""], ["", ""]),
    ],
)  # fmt: skip
def test_marks_and_case(language: str, text: str, raw: list[str | list[str]], expected: list[str]) -> None:
    assert shown(punctuated(timed(*raw), text, language)) == expected


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (" it is 3.5", "It is 35."), (" minus 5", "Minus -5."), (" its fine", "It's fine."),
        (" we met ben", "We met Bob."), (" we met ben", "We met."), (" we met ben", "We met Ben Bob."),
        (" we met ben", "Ben met we."), (" we met ben", "Wir trafen Ben."), (" we met ben", ""),
        (" fifty %", "Fifty."), (" straße", "Strasse."), (" we met", "We\u200b met."), (" we met", "We\u202e met."),
        (" we met", "<b>We</b> met."), (" no where", "Nowhere."), (" f*** it", "Fuck it."),
        (" a b", "A!!!!!! b."), (" one two three four five six seven eight nine ten",
                                 "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN"),
        (" one two three four five six seven eight nine ten",
         "One Two Three Four Five Six Seven Eight Nine Ten"),
        ("今天很好", "今天不好"), ("今天很好", "今天，很 很好"),
    ],
)  # fmt: skip
def test_other_words_are_refused(raw: str, text: str) -> None:
    with pytest.raises(WordsChanged):
        punctuated(timed(raw), text, "en")


def test_times_of_words_stay() -> None:
    before = timed(" hello world")
    after = punctuated(before, "Hello, world.", "en")
    assert [(w.start_ms, w.end_ms) for w in after[0].words or ()] == [
        (w.start_ms, w.end_ms) for w in before[0].words or ()
    ]


_PIECES = st.sampled_from(
    [*" .,!?-–—'’\"“”«»()¿¡。，、…", "  ", "a", "B", "ß", "é", "7", "3.5", "don't", "今", "ไ", "-5", "%"]
)
_TEXTS = st.lists(_PIECES, max_size=30).map("".join)


def letters(text: str) -> str:
    return regex.sub(rf"[\s{regex.escape(MARKS)}]", "", text).lower()


@settings(max_examples=500, deadline=None)
@given(st.lists(_TEXTS, max_size=4), _TEXTS)
def test_whatever_it_is_given_letters_stay(texts: list[str], other: str) -> None:
    segments = [segment(k, k, k + 1, text) for k, text in enumerate(texts)]
    for text in (other, "".join(texts), "".join(texts).upper(), " ".join(texts)):
        try:
            made = punctuated(segments, text, "en")
        except WordsChanged:
            continue
        assert [letters(one.text) for one in made] == [letters(one.text) for one in segments]


@settings(max_examples=300, deadline=None)
@given(st.lists(_TEXTS, max_size=4))
def test_its_own_text_changes_nothing(texts: list[str]) -> None:
    segments = [segment(k, k, k + 1, text) for k, text in enumerate(texts)]
    made = punctuated(segments, "".join(texts), "en")
    assert "".join(one.text for one in made).split() == "".join(texts).split()


@pytest.mark.parametrize(
    ("text", "ends"),
    [("So.", True), ("So?”", True), ("So (yes!)", True), ("そう。", True), ("so", False), ("", False), ("a, ", False)],
)
def test_ends_of_sentences(text: str, ends: bool) -> None:
    assert sentence_ends(text) is ends
