import json

import pytest

from endpoint.api.forms import TranscriptionForm, parse_fields
from endpoint.errors import InvalidRequest
from endpoint.fields.wording import MOST_WORDS
from endpoint.huggingface import Parameters
from endpoint.options import Wording


def test_fields_become_a_wording_and_times():
    form = parse_fields(
        TranscriptionForm,
        [
            ("replacements", '{"acme": "ACME"}'), ("vocabulary[]", "shop"), ("vocabulary[]", "town"),
            ("profanity_words[]", "damn,heck"), ("profanity_filter", "true"), ("numerals", "1"), ("filler_words", "no"),
            ("start", "1.5"), ("end", "90"),
        ],
    )  # fmt: skip
    options = form.options()
    assert options.wording == Wording((("acme", "ACME"),), ("shop", "town"), ("damn", "heck"), True, True, False)
    assert (options.start_ms, options.end_ms) == (1_500, 90_000)
    default = parse_fields(TranscriptionForm, []).options()
    assert (default.wording, default.start_ms, default.end_ms) == (Wording(), 0, None)


def test_hugging_faces_parameters_have_them():
    options = Parameters.of({"replacements": {"a": "B"}, "filler_words": False, "start": 2, "end": 3}).options()
    assert options.wording == Wording((("a", "B"),), fillers=False)
    assert (options.start_ms, options.end_ms) == (2_000, 3_000)


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("replacements", "acme=ACME", "replacements"),
        ("replacements", "[]", "replacements"),
        ("replacements", '{"acme": 1}', "replacements"),
        ("replacements", '{"acme": ""}', "replacements"),
        ("replacements", '{" ": "x"}', "replacements"),
        ("replacements", '{"a": "two\\nlines"}', "replacements"),
        ("replacements", json.dumps({"x" * 201: "y"}), "replacements"),
        ("replacements", json.dumps({str(k): "y" for k in range(MOST_WORDS + 1)}), "replacements"),
        ("replacements", json.dumps({f"{k}{'x' * 190}": "y" for k in range(200)}), "replacements"),
        ("replacements", "[" * 100_000, "replacements"),
        ("profanity_words[]", "\x00", "profanity_words[]"),
        ("numerals", "perhaps", "numerals"),
        ("start", "-1", "start"),
        ("start", "inf", "start"),
        ("end", "0", "end"),
    ],
)
def test_wrong_values_are_refused_by_name(name, value, param):
    with pytest.raises(InvalidRequest) as raised:
        parse_fields(TranscriptionForm, [(name, value)])
    assert raised.value.param == param


def test_the_end_is_after_the_start():
    with pytest.raises(InvalidRequest) as raised:
        parse_fields(TranscriptionForm, [("start", "5"), ("end", "5.0001")])
    assert raised.value.param == "end"
