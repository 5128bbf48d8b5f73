from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.options import Wording
from endpoint.text.wording import worded
from endpoint.types import Word
from tests.api_support import segment


def spoken(text: str, length: int = 100):
    """A segment whose words last `length` ms each."""
    parts = text.split(" ")[1:] if text.startswith(" ") else text.split(" ")
    words = tuple(Word(f" {part}", k * length, (k + 1) * length, 0.5) for k, part in enumerate(parts))
    return replace(segment(0, 0, len(words) * length, f" {' '.join(parts)}"), words=words)


def written(text: str, language: str = "en", **fields) -> str:
    changed = worded(spoken(text), Wording(**fields), language)
    assert "".join(word.text for word in changed.words or ()) == changed.text
    assert all(word.text.strip() for word in changed.words or ())
    untimed = worded(replace(spoken(text), words=None), Wording(**fields), language)
    assert (untimed.text, untimed.words) == (changed.text, None)
    return changed.text.strip()


@pytest.mark.parametrize(
    ("text", "replacements", "result"),
    [
        ("we use acme, Acme's ACME tools", {"acme": "ACME"}, "we use ACME, ACME's ACME tools"),
        ("acmeology is no Acme", {"acme": "ACME"}, "acmeology is no ACME"),
        ("see acme corp and acme", {"acme": "X", "acme corp": "Y Inc."}, "see Y Inc. and X"),
        ("a b", {"a": "b", "b": "c"}, "b c"),  # what is written is not replaced again
        ("c plus plus is not c", {"c plus plus": "C++"}, "C++ is not c"),
        ("I like c++ too", {"C++": "Rust"}, "I like Rust too"),
        ("im straße", {"STRASSE": "x"}, "im straße"),
        ("हिंदी हिंद", {"हिंद": "HIND"}, "हिंदी HIND"),  # a vowel sign belongs to its word
        ("我在北京大学", {"北京": "首都"}, "我在首都大学"),
    ],
)
def test_replacements(text, replacements, result):
    assert written(text, replacements=tuple(replacements.items())) == result


def test_words_that_become_one_keep_their_time_and_those_of_several_share_it():
    merged = worded(spoken("see acme corp now"), Wording(replacements=(("acme corp", "ACME"),)), "en").words
    assert [(word.text, word.start_ms, word.end_ms) for word in merged or ()] == [
        (" see", 0, 100), (" ACME", 100, 300), (" now", 300, 400),
    ]  # fmt: skip
    split = worded(spoken("see acme now"), Wording(replacements=(("acme", "A B"),)), "en").words
    assert [(word.text, word.start_ms, word.end_ms, word.probability) for word in split or ()] == [
        (" see", 0, 100, 0.5), (" A", 100, 150, 0.5), (" B", 150, 200, 0.5), (" now", 200, 300, 0.5),
    ]  # fmt: skip


def test_the_mask_leaves_the_first_letter_of_whole_words():
    assert written("Damn you, damned DAMN!", masked=("damn",)) == "D*** you, damned D***!"
    assert written("son of a gun", masked=("son of a gun",)) == "s** ** * ***"


def test_everything_at_once_in_its_order():
    changed = written(
        "Um, acme has uh twenty-one damn tools", fillers=False, numerals=True, masked=("damn",),
        replacements=(("acme", "ACME"), ("21", "XXI")),
    )  # fmt: skip
    assert changed == "ACME has XXI d*** tools"


def test_nothing_asked_changes_nothing():
    one = spoken("um twenty acme")
    assert worded(one, Wording(), "en") is one


@given(
    st.lists(st.sampled_from(["um", "Uh,", "acme", "corp.", "twenty", "five", "damn", "hello", "two", "I", "一"]),
             min_size=1, max_size=12),
    st.booleans(), st.booleans(),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_words_are_always_the_text(words, fillers, numerals):
    written(
        " ".join(words), fillers=fillers, numerals=numerals, masked=("damn",),
        replacements=(("acme", "ACME"), ("five damn", "many words here"), ("hello two i", "x")),
    )  # fmt: skip
