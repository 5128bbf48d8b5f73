import argparse

import pytest

from endpoint.commands.flags import add_fields, checked, form_fields, sent_fields
from endpoint.errors import InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.fields.wording import WordingFields
from endpoint.options import Wording
from endpoint.text.layout import Layout

MODELS = (LayoutFields, WordingFields)


def sent(*argv: str):
    parser = argparse.ArgumentParser()
    add_fields(parser, *MODELS)
    return sent_fields(parser.parse_args(argv), *MODELS)


def test_flags_are_fields():
    given = sent(
        "--max-line-width", "40", "--highlight-words", "--no-filler-words", "--vocabulary", "a", "--vocabulary", "b",
        "--replacements", '{"x": "Y"}',
    )  # fmt: skip
    fields = checked(given, "srt")
    assert fields.layout() == Layout(max_line_width=40, highlight=True)
    assert fields.wording() == Wording((("x", "Y"),), ("a", "b"), fillers=False)
    assert form_fields(given)["vocabulary[]"] == ["a", "b"]
    assert sent() == {}


@pytest.mark.parametrize(("argv", "form"), [(("--max-line-width", "40"), "text"), (("--end", "x"), "srt")])
def test_wrong_flags_are_refused_by_name(argv, form):
    with pytest.raises(InvalidRequest) as raised:
        checked(sent(*argv), form)
    assert raised.value.param == argv[0]
