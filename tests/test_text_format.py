import json
import random
import string
from dataclasses import replace

import pysubs2
import pytest

from endpoint.api import schemas
from endpoint.options import Task
from endpoint.text.cues import timestamp
from endpoint.text.format import Rendering, render
from endpoint.types import samples_to_ms
from tests.api_support import NASTY, TRANSCRIPT, WORDS, segment


def body_of(transcript, form, **options):
    return json.loads(render(transcript, Rendering(form, **options))[0])


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "00:00:00,000"),
        (7, "00:00:00,007"),
        (59_999, "00:00:59,999"),
        (3_599_999, "00:59:59,999"),
        (3_600_000, "01:00:00,000"),
        (360_000_001, "100:00:00,001"),
    ],
)
def test_timestamp(ms, text):
    assert timestamp(ms, ",") == text
    assert timestamp(ms) == text.replace(",", ".")


def test_time_is_rounded_once():
    assert timestamp(samples_to_ms(round(59.9996 * 16_000)), ",") == "00:01:00,000"


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("json", "application/json"),
        ("verbose_json", "application/json"),
        ("text", "text/plain; charset=utf-8"),
        ("srt", "text/plain; charset=utf-8"),
        ("vtt", "text/vtt; charset=utf-8"),
    ],
)
def test_media_types(form, media_type):
    body, kind = render(TRANSCRIPT, Rendering(form))
    assert kind == media_type
    assert "wörld" in body.decode()


def test_text():
    assert render(TRANSCRIPT, Rendering("text"))[0].decode() == "Hello wörld. Good bye.\n"


def test_json():
    body = body_of(TRANSCRIPT, "json")
    schemas.Transcription.model_validate(body, strict=True)
    assert body == {
        "text": "Hello wörld. Good bye.",
        "languages": [{"code": "en"}],
        "usage": {
            "type": "tokens",
            "input_tokens": 427,
            "output_tokens": 9,
            "total_tokens": 436,
            "input_token_details": {"audio_tokens": 424, "text_tokens": 3},
        },
    }


def test_coverage_is_in_verbose_json_where_it_is_known():
    assert not {"coverage", "uncovered"} & set(body_of(TRANSCRIPT, "verbose_json"))
    known = replace(TRANSCRIPT, coverage=0.75, uncovered=((1_000, 2_500),))
    for transcript, schema in (
        (known, schemas.VerboseTranscription),
        (replace(known, task=Task.TRANSLATE), schemas.VerboseTranslation),
    ):
        body = body_of(transcript, "verbose_json")
        schema.model_validate(body, strict=True)
        assert (body["coverage"], body["uncovered"]) == (0.75, [{"start": 1.0, "end": 2.5}])


def test_segments_say_their_language_where_there_are_several():
    first, second = TRANSCRIPT.segments
    mixed = replace(TRANSCRIPT, segments=(first, replace(second, language="de")))
    body = body_of(mixed, "verbose_json")
    assert [segment["language"] for segment in body["segments"]] == ["en", "de"]
    schemas.VerboseTranscription.model_validate(body, strict=True)
    assert all("language" not in segment for segment in body_of(TRANSCRIPT, "verbose_json")["segments"])


def test_verbose_json():
    body = body_of(TRANSCRIPT, "verbose_json")
    schemas.VerboseTranscription.model_validate(body, strict=True)
    assert (body["task"], body["language"], body["duration"]) == ("transcribe", "english", 8.47)
    assert body["usage"] == {"type": "duration", "seconds": 9}
    assert "words" not in body
    assert body["segments"][1] == {
        "id": 1,
        "seek": 0,
        "start": 3.32,
        "end": 8.47,
        "text": " Good bye.",
        "tokens": [50_365, 1771, 50_465],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
    }


def test_granularity_decides_the_arrays():
    timed = replace(TRANSCRIPT, words=WORDS)
    both = body_of(timed, "verbose_json")
    schemas.VerboseTranscription.model_validate(both, strict=True)
    assert both["words"] == [
        {"word": "Hello", "start": 0.0, "end": 0.5, "probability": 1.0},
        {"word": "wörld", "start": 0.5, "end": 1.0, "probability": 1.0},
    ]
    assert len(both["segments"]) == 2
    words = body_of(timed, "verbose_json", segments=False)
    assert "segments" not in words
    assert len(words["words"]) == 2


def test_translations_have_fewer_fields():
    translated = replace(TRANSCRIPT, task=Task.TRANSLATE, language="de")
    assert set(body_of(translated, "json")) == {"text"}
    verbose = body_of(translated, "verbose_json")
    schemas.VerboseTranslation.model_validate(verbose, strict=True)
    assert verbose["language"] == "english"


def test_a_silent_file():
    silent = replace(TRANSCRIPT, segments=(), duration_ms=0)
    assert render(silent, Rendering("srt"))[0] == b""
    assert render(silent, Rendering("vtt"))[0] == b"WEBVTT\n\n"
    assert render(silent, Rendering("text"))[0] == b"\n"
    assert body_of(silent, "verbose_json")["usage"]["seconds"] == 0


def test_srt():
    assert render(TRANSCRIPT, Rendering("srt"))[0].decode() == (
        "1\n00:00:00,000 --> 00:00:03,320\nHello wörld.\n\n2\n00:00:03,320 --> 00:00:08,470\nGood bye.\n\n"
    )


def test_vtt():
    assert render(TRANSCRIPT, Rendering("vtt"))[0].decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:03.320\nHello wörld.\n\n00:00:03.320 --> 00:00:08.470\nGood bye.\n\n"
    )


def test_vtt_escapes():
    text = render(replace(TRANSCRIPT, segments=(segment(0, 0, 1000, NASTY),)), Rendering("vtt"))[0].decode()
    assert text.count("-->") == 1
    assert "a --&gt; b &amp; &lt;i&gt;c&lt;/i&gt; 2 00:00:01,000 --&gt; 00:00:02,000 d" in text


def test_empty_and_zero_length_cues():
    segments = (segment(0, 0, 0, "  \n "), segment(1, 500, 500, " x"))
    text = render(replace(TRANSCRIPT, segments=segments), Rendering("srt"))[0].decode()
    assert text == "1\n00:00:00,500 --> 00:00:00,501\nx\n\n"


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_any_text_keeps_the_cues_apart(form):
    chance = random.Random(7)
    pieces = [
        *string.printable,
        "-->",
        "\n\n",
        "\r\n",
        "\u2028",
        "\x85",
        "\0",
        "NOTE",
        "WEBVTT",
        "1\n",
        "日本",
        "{\\i1}",
    ]
    segments = tuple(
        segment(n, n * 1000, n * 1000 + 990, "x" + "".join(chance.choices(pieces, k=12))) for n in range(300)
    )
    body = render(replace(TRANSCRIPT, segments=segments), Rendering(form))[0].decode()
    events = pysubs2.SSAFile.from_string(body, format_=form).events
    assert [(e.start, e.end) for e in events] == [(s.start_ms, s.end_ms) for s in segments]


def test_a_score_that_is_no_number_is_refused():
    broken = replace(TRANSCRIPT, segments=(replace(TRANSCRIPT.segments[0], avg_logprob=float("nan")),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(broken, Rendering("verbose_json"))
