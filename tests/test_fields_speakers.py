"""Fields about speakers: what they mean together, and OpenAI's rules for known ones."""

from __future__ import annotations

import base64

import pytest

from endpoint.api.forms import TranscriptionForm, parse_fields
from endpoint.api.job_forms import JobForm
from endpoint.errors import InvalidRequest
from endpoint.fields.speakers import MOST_REFERENCE_BYTES, NAMES, REFERENCES
from endpoint.options import KnownVoice, Options, SpeakerHints


def url(data: bytes = b"voice") -> str:
    return f"data:audio/wav;base64,{base64.b64encode(data).decode()}"


def options(*fields: tuple[str, str], form: type[TranscriptionForm] = TranscriptionForm) -> Options:
    return parse_fields(form, fields).options()


@pytest.mark.parametrize(
    ("fields", "hints"),
    [
        ([], None),
        ([("diarize", "false")], None),
        ([("diarize", "true")], SpeakerHints()),
        ([("diarization", "true")], SpeakerHints()),
        ([("speaker_labels", "true"), ("speakers_expected", "2")], SpeakerHints(number=2)),
        ([("response_format", "diarized_json")], SpeakerHints()),
        ([("min_speakers", "2"), ("max_speakers", "2")], SpeakerHints(least=2, most=2)),
        ([("multichannel", "true")], None),
        ([("multichannel", "true"), ("response_format", "diarized_json")], None),
        ([("use_multi_channel", "true")], None),
    ],
)
def test_what_asks_for_speakers(fields: list[tuple[str, str]], hints: SpeakerHints | None) -> None:
    made = options(*fields)
    assert made.speakers == hints
    assert made.multichannel == any("multi" in name for name, _ in fields)


def test_known_speakers() -> None:
    made = options((NAMES, "Ann, B."), (NAMES, " Bob "), (REFERENCES, url(b"a")), (REFERENCES, url(b"b")))
    assert made.speakers == SpeakerHints(known=(KnownVoice("Ann, B.", b"a"), KnownVoice("Bob", b"b")))


@pytest.mark.parametrize(
    ("fields", "param", "part"),
    [
        ([(NAMES, "Ann")], REFERENCES, "1 names and 0 references"),
        ([(REFERENCES, url())], REFERENCES, "0 names and 1 references"),
        ([(NAMES, f"n{k}") for k in range(5)] + [(REFERENCES, url())] * 5, NAMES, "at most 4"),
        ([(NAMES, "Ann")] * 2 + [(REFERENCES, url())] * 2, NAMES, "differ"),
        ([(NAMES, "x" * 101), (REFERENCES, url())], NAMES, "1 to 100"),
        ([(NAMES, "a\nb"), (REFERENCES, url())], NAMES, "one line"),
        ([(NAMES, "Ann"), (REFERENCES, "https://example.com/a.wav")], REFERENCES, "data URL"),
        ([(NAMES, "Ann"), (REFERENCES, "data:audio/wav;base64,***")], REFERENCES, "base64"),
        ([(NAMES, "Ann"), (REFERENCES, "data:audio/wav;base64,")], REFERENCES, "0 came"),
        ([(NAMES, "Ann"), (REFERENCES, url(bytes(MOST_REFERENCE_BYTES + 1)))], REFERENCES, "ffmpeg"),
        ([("num_speakers", "2"), ("min_speakers", "1")], "num_speakers", "either"),
        ([("min_speakers", "3"), ("max_speakers", "2")], "min_speakers", "above"),
        ([("diarize", "false"), ("max_speakers", "2")], "max_speakers", "contradicts"),
        ([("multichannel", "true"), ("diarize", "true")], "diarize", "each channel is a speaker"),
        ([("multichannel", "true"), ("num_speakers", "2")], "num_speakers", "each channel is a speaker"),
        ([("num_speakers", "0")], "num_speakers", "greater than"),
        ([("num_speakers", "many")], "num_speakers", "integer"),
    ],
)
def test_what_is_refused(fields: list[tuple[str, str]], param: str, part: str) -> None:
    with pytest.raises(InvalidRequest, match=part) as caught:
        options(*fields)
    assert caught.value.param == param


def test_a_job_keeps_only_small_references() -> None:
    small, large = url(bytes(320_044)), url(bytes(500_000))
    assert options((NAMES, "Ann"), (REFERENCES, small), form=JobForm).speakers is not None
    with pytest.raises(InvalidRequest, match="of a job") as caught:
        options((NAMES, "Ann"), (REFERENCES, large), form=JobForm)
    assert caught.value.param == REFERENCES
    assert options((NAMES, "Ann"), (REFERENCES, large)).speakers is not None
