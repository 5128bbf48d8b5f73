"""Words that passes agree on: only appended, never taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.live.agreement import DEFAULT_DELAY, DELAYS, LONG_MS, LONGEST_MS, Agreement, Stability, prefix_costs
from endpoint.types import Word

TWO = Stability(2)


def words(text: str, start_ms: int = 0, each_ms: int = 400) -> list[Word]:
    return [
        Word(f" {word}", start_ms + k * each_ms, start_ms + (k + 1) * each_ms) for k, word in enumerate(text.split())
    ]


def texts(found) -> str:
    return "".join(word.text for word in found).strip()


def test_two_passes_must_agree():
    made = Agreement(0, TWO)
    assert made.feed([words("the quick")], 800) == []
    assert texts(made.feed([words("the quick brown")], 1_200)) == "the quick"
    assert texts(made.unstable) == "brown"
    assert texts(made.feed([words("the quick brown fox")], 1_600)) == "brown"
    assert made.until_ms == 1_200
    assert texts(made.agreed) == "the quick brown"


def test_case_and_punctuation_do_not_disagree_and_the_newer_pass_is_taken():
    made = Agreement(0, TWO)
    made.feed([words("hello world.")], 800)
    assert texts(made.feed([words("Hello, world and")], 1_200)) == "Hello, world"


def test_what_passes_disagree_on_waits():
    made = Agreement(0, TWO)
    made.feed([words("the whether")], 800)
    assert texts(made.feed([words("the weather is")], 1_200)) == "the"
    assert texts(made.feed([words("the weather is fine")], 1_600)) == "weather is"


def test_agreed_words_that_a_later_pass_has_otherwise_are_not_given_again():
    made = Agreement(0, TWO)
    made.feed([words("I scream for")], 1_200)
    made.feed([words("I scream for ice")], 1_600)
    assert texts(made.agreed) == "I scream for"
    made.feed([words("ice cream for ice and")], 2_000)
    made.feed([words("ice cream for ice and cake")], 2_400)
    assert texts(made.agreed) == "I scream for ice and"


def test_the_same_word_twice_is_two_words():
    made = Agreement(0, TWO)
    for k in range(1, 6):
        made.feed([words("no " * k)], k * 400)
    assert texts(made.agreed) == "no no no no"


def test_old_words_need_no_second_pass():
    made = Agreement(0, Stability(2, 1_000))
    assert texts(made.feed([words("one two three four")], 1_600)) == "one"
    assert texts(made.feed([words("one too three four five")], 2_400)) == "too three"  # two of them are old enough


def test_what_the_model_repeats_is_not_agreed():
    made = Agreement(0, DELAYS["minimal"])
    assert texts(made.feed([words("and salt salt salt salt salt etc")], 3_200)) == "and salt"
    assert not made.unstable
    assert texts(made.feed([words("and solders etc produced by")], 3_600)) == "etc produced by"


def test_words_at_the_very_end_wait_although_passes_agree():
    made = Agreement(0, Stability(2, None, 400))
    made.feed([words("the quick brown")], 1_200)
    assert texts(made.feed([words("the quick brown")], 1_300)) == "the quick"
    assert texts(made.feed([words("the quick brown")], 1_600)) == "brown"


def test_three_passes():
    made = Agreement(0, Stability(3))
    assert made.feed([words("a b")], 800) == []
    assert made.feed([words("a b c")], 1_200) == []
    assert texts(made.feed([words("a b c d")], 1_600)) == "a b"


def test_one_pass_holds_back_what_is_fresh():
    made = Agreement(0, DELAYS["minimal"])
    assert texts(made.feed([words("a b c")], 1_200)) == "a b"


def test_a_window_begins_where_the_last_agreed_segment_ends():
    made = Agreement(0, TWO)
    first, second = words("one two three."), words("Four five", 1_200)
    made.feed([first, second], 2_000)
    assert made.anchor_ms == 0
    made.feed([first, words("Four five six", 1_200)], 2_400)
    assert made.anchor_ms == 1_200
    made.feed([words("Four five six seven", 1_200)], 2_800)  # of a window that begins there
    assert texts(made.agreed) == "one two three. Four five six"


def test_a_pass_from_further_back_agrees_too():
    """That of a whole turn, made where it seemed to be over."""
    made = Agreement(0, TWO)
    first, second = words("one two three."), words("Four five", 1_200)
    made.feed([first, second], 2_000)
    made.feed([first, second], 2_400)
    assert made.anchor_ms == 1_200
    made.feed([first, words("Four five six", 1_200)], 2_800)
    made.feed([words("Four five six", 1_200)], 3_200)
    assert texts(made.agreed) == "one two three. Four five six"


def test_a_long_window_begins_after_the_last_agreed_word():
    made = Agreement(0, TWO)
    long = " ".join(f"w{k}" for k in range(LONG_MS // 400 + 2))
    made.feed([words(long)], LONG_MS + 800)
    made.feed([words(long)], LONG_MS + 1_200)
    assert made.anchor_ms == made.agreed[-1].end_ms


def test_a_window_always_fits_the_model():
    made = Agreement(0, TWO)
    for k in range(200):  # no two passes agree
        end = 500 * (k + 1)
        made.feed([words(f"x{k} y{k}", made.anchor_ms)], end)
        assert end - made.anchor_ms <= LONGEST_MS + 500
    assert made.agreed == []


PASS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


@given(passes=st.lists(PASS, max_size=12), delay=st.sampled_from(sorted(DELAYS)))
def test_words_are_only_appended_and_in_order(passes, delay):
    made, seen = Agreement(0, DELAYS[delay]), []
    for k, found in enumerate(passes):
        new = made.feed([words(" ".join(found), made.anchor_ms)], 500 * (k + 1))
        seen += new
        assert made.agreed == seen
    assert all(a.end_ms <= b.end_ms + 1_500 for a, b in zip(seen, seen[1:], strict=False))  # noqa: RUF007


def test_longer_delays_hold_back_more():
    assert DEFAULT_DELAY in DELAYS
    order = [DELAYS[name] for name in ("minimal", "low", "medium", "high", "xhigh")]
    ages = [10**9 if one.age_ms is None else one.age_ms for one in order]
    assert ages == sorted(ages)
    assert [one.passes for one in order] == sorted(one.passes for one in order)


@pytest.mark.parametrize(
    ("known", "found", "costs"),
    [
        ("", "a b", [0, 1, 2]),
        ("a b", "a b c", [2, 1, 0, 1]),
        ("a b", "x b", [2, 2, 1]),
    ],
)
def test_costs_of_a_beginning(known, found, costs):
    assert prefix_costs(known.split(), found.split()) == costs


def test_costs_may_begin_anywhere():
    assert min(prefix_costs(["b", "c"], ["a", "b", "c", "d"], free=True)) == 0
