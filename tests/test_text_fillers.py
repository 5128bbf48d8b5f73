import pytest

from endpoint.text.edits import edited
from endpoint.text.fillers import FILLERS, fillers
from tests.api_support import segment


@pytest.mark.parametrize(
    ("language", "text", "result"),
    [
        ("en", " Um, I think, uh, so.", " I think so."),
        ("en", " Uh. Um. Yes, um.", " Yes."),
        ("en", " Um so it is", " So it is"),
        ("en", " Uh um hello", " Hello"),
        ("en", " The umbrella of the um-brand is um", " The umbrella of the um-brand is"),
        ("de", " Ähm, er kommt, äh, morgen.", " Er kommt morgen."),  # `er` is a word in German
        ("fr", " Euh, oui.", " Oui."),
        ("zh", "嗯，我觉得嗯嗯。", "我觉得嗯嗯。"),
        ("ko", " um", " um"),  # no list
        ("en", " um", ""),
    ],
)
def test_fillers_that_stand_alone_are_left_out(language, text, result):
    assert edited(segment(0, 0, 1, text), fillers(text, language)).text == result


def test_lists_are_lower_case():
    assert all(word == word.casefold() for words in FILLERS.values() for word in words)
