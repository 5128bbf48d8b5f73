import pytest
from pydantic import ValidationError

from endpoint.api.forms import TranscriptionForm, parse_fields
from endpoint.api.job_forms import JobForm, ResultQuery, parse_query
from endpoint.errors import InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.options import Options
from endpoint.text.layout import Layout


def test_fields_become_a_layout():
    fields = [
        ("response_format", "srt"), ("max_line_width", "40"), ("max_line_count", "2"), ("max_words_per_line", "7"),
        ("min_display_seconds", "1"), ("max_display_seconds", "6.5"), ("reading_speed", "17"),
        ("highlight_words", "true"),
    ]  # fmt: skip
    form = parse_fields(TranscriptionForm, fields)
    assert form.layout() == Layout(None, 40, 2, 7, 1_000, 6_500, 17.0, True)
    assert form.rendering().layout == form.layout()
    assert form.options().words  # a layout needs the times of words
    assert not parse_fields(TranscriptionForm, [("response_format", "srt")]).options().words


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_line_width": "40"}, "max_line_width"),  # json has no cues
        ({"response_format": "verbose_json", "highlight_words": "true"}, "highlight_words"),
        ({"response_format": "srt", "max_line_width": "0"}, "max_line_width"),
        ({"response_format": "srt", "max_line_count": "2"}, "max_line_count"),  # of what length?
        ({"response_format": "srt", "subtitle_layout": "cinema"}, "subtitle_layout"),
        ({"response_format": "srt", "max_display_seconds": "1", "min_display_seconds": "2"}, "min_display_seconds"),
        ({"response_format": "srt", "reading_speed": "nan"}, "reading_speed"),
        ({"response_format": "srt", "reading_speed": "0.5"}, "reading_speed"),
        ({"response_format": "srt", "paragraphs": "true"}, "paragraphs"),
        ({"response_format": "srt", "max_line_width": "40", "stream": "true"}, "stream"),
        ({"response_format": "text", "paragraphs": "true", "stream": "true"}, "stream"),
    ],
)
def test_wrong_values_are_refused_by_name(fields, param):
    with pytest.raises(InvalidRequest) as raised:
        parse_fields(TranscriptionForm, list(fields.items()))
    assert raised.value.param == param


def test_a_job_takes_them_before_its_format_is_known_and_its_result_with_it():
    job = parse_fields(JobForm, [("subtitle_layout", "broadcast"), ("paragraphs", "true")])
    assert job.options().words
    query, _ = parse_query(ResultQuery, [("response_format", "vtt"), ("subtitle_layout", "broadcast")])
    assert query.rendering(Options()).layout == Layout("broadcast")
    with pytest.raises(InvalidRequest) as raised:
        parse_query(ResultQuery, [("max_line_width", "20")])
    assert raised.value.param == "max_line_width"


def test_nothing_given_is_no_layout():
    assert LayoutFields().layout() is None
    with pytest.raises(ValidationError):
        LayoutFields(max_line_width=10)  # without a format
