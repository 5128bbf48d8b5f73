import pytest

from endpoint.text.format import Rendering, render, verbose
from tests.api_support import NASTY, TRANSCRIPT, WORDS, StandIn, assert_error, client_of

PATH = "/v1/audio/transcripts/render"
SEGMENTS = [{"start": 0.0, "end": 3.0, "text": " One two"}, {"start": 3.0, "end": 6.5, "text": " three four."}]
TIMES = [("One", 0.0, 1.0), ("two", 1.0, 3.0), ("three", 3.0, 4.0), ("four.", 6.0, 6.5)]
SPOKEN = [{"word": word, "start": start, "end": end} for word, start, end in TIMES]


async def rendered(**body):
    async with client_of(StandIn()) as client:
        return await client.post(PATH, json=body)


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
async def test_what_the_api_gave_is_written_as_the_api_writes_it(form):
    body = verbose(TRANSCRIPT, Rendering("verbose_json"))
    response = await rendered(transcript=body, response_format=form)
    expected, media_type = render(TRANSCRIPT, Rendering(form))
    assert response.content == expected
    assert response.headers["content-type"] == media_type


async def test_layouts_use_the_times_of_words():
    body = {"language": "en", "segments": SEGMENTS, "words": SPOKEN}
    response = await rendered(transcript=body, response_format="srt", max_words_per_line=1, max_line_count=1)
    assert [line for line in response.text.splitlines() if "-->" in line][1:3] == [
        "00:00:01,000 --> 00:00:03,000",
        "00:00:03,000 --> 00:00:04,000",
    ]
    assert "x-warnings" not in response.headers


async def test_words_that_are_not_those_of_the_text_are_not_used():
    body = {"segments": SEGMENTS, "words": [SPOKEN[0], {**SPOKEN[1], "word": "else"}, *SPOKEN[2:]]}
    response = await rendered(transcript=body, response_format="srt", max_words_per_line=1, max_line_count=1)
    assert "word_times_guessed" in response.headers["x-warnings"]
    assert response.text.count("-->") == 4


async def test_text_has_paragraphs():
    body = {"segments": [SEGMENTS[0], {"start": 9, "end": 10, "text": " Later."}]}
    assert (await rendered(transcript=body, response_format="text")).text == "One two Later.\n"
    assert (await rendered(transcript=body, response_format="text", paragraphs=True)).text == "One two\n\nLater.\n"


async def test_text_stays_within_its_cue():
    body = {"segments": [{"start": 0, "end": 1, "text": NASTY}]}
    response = await rendered(transcript=body, response_format="vtt")
    assert response.text.count("-->") == 1
    assert "<i>" not in response.text


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"segments": [{"start": 2, "end": 1, "text": "x"}]}, "transcript.segments.0.end"),
        ({"segments": SEGMENTS[::-1]}, "transcript.segments"),
        ({"segments": SEGMENTS, "language": "Klingon"}, "transcript.language"),
        ({}, "transcript.segments"),
    ],
)
async def test_what_is_no_transcript_is_refused(change, param):
    assert_error(await rendered(transcript=change), 400, "invalid_value", param)


async def test_fields_are_checked():
    good = {"segments": SEGMENTS}
    assert_error(await rendered(transcript=good, response_format="docx"), 400, "invalid_value", "response_format")
    assert_error(await rendered(transcript=good, max_line_count=2), 400, "invalid_value", "max_line_count")
    assert_error(await rendered(transcript=good, colour="red"), 400, "invalid_value", "colour")


async def test_words_of_the_stand_in_make_up_no_segment():
    words = [{"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000} for word in WORDS]
    body = {"segments": [{"start": 0, "end": 1, "text": " Hello wörld"}], "words": words}
    response = await rendered(transcript=body, response_format="vtt", highlight_words=True)
    assert "<u>Hello</u>" in response.text
