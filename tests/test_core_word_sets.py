import pytest

from endpoint.core.word_sets import NO_WORDS, Vocabulary, WordSets
from endpoint.errors import InvalidRequest
from endpoint.options import Options, Wording

SETS = WordSets((("a", "A"),), ("bad",), {"shop": Vocabulary(("Acme",), (("acme", "ACME"),))})


def test_what_the_caller_gives_goes_before_what_the_server_has():
    given = Options(hotwords="Bob", wording=Wording((("x", "X"),), ("shop",), ("worse",), mask=True))
    made = SETS.applied(given)
    assert made.hotwords == "Bob, Acme"
    assert made.wording.replacements == (("x", "X"), ("acme", "ACME"), ("a", "A"))
    assert made.wording.masked == ("worse", "bad")


def test_the_servers_mask_is_asked_for():
    assert SETS.applied(Options()).wording.masked == ()
    assert NO_WORDS.applied(Options()) == Options()


@pytest.mark.parametrize(
    ("wording", "param"),
    [(Wording(vocabularies=("none",)), "vocabulary[]"), (Wording(mask=True), "profanity_filter")],
)
def test_what_is_not_there_is_refused(wording, param):
    with pytest.raises(InvalidRequest) as raised:
        NO_WORDS.applied(Options(wording=wording))
    assert raised.value.param == param
