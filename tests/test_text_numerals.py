import pytest

from endpoint.text.edits import edited
from endpoint.text.numerals import numerals
from tests.api_support import segment


def digits(text: str, language: str) -> str:
    return edited(segment(0, 0, 1, text), numerals(text, language)).text


@pytest.mark.parametrize(
    ("language", "text", "result"),
    [
        ("en", "twenty-five apples and one pear", "25 apples and one pear"),
        ("en", "One hundred and two.", "102."),
        ("en", "two point five percent, the twenty first", "2.5 percent, the 21st"),
        ("en", "in nineteen ninety nine and twenty twenty six", "in 1999 and 2026"),
        ("en", "nineteen, ninety", "19, 90"),
        ("de", "fünfundzwanzig Äpfel", "25 Äpfel"),
        ("fr", "quatre-vingt-dix-neuf francs", "99 francs"),
        ("es", "treinta y tres", "33"),
        ("it", "ventisette", "27"),
        ("nl", "drieëntwintig", "23"),
        ("pt", "quarenta e dois", "42"),
        ("ru", "двадцать пять", "двадцать пять"),  # not one of text2num's languages
        ("en", "", ""),
    ],
)
def test_numbers(language, text, result):
    assert digits(text, language) == result
