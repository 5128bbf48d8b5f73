"""Values are the same after encoding and decoding: endpoint.codec."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint import errors
from endpoint.codec import (
    CodecError,
    decode_error,
    decode_options,
    decode_transcript,
    encode,
    encode_error,
    encode_options,
    encode_transcript,
)
from endpoint.errors import EndpointError
from endpoint.options import Options
from endpoint.types import Segment, TokenScore, Transcript

ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EndpointError)]
# Floats as the core makes them: never NaN, which is not equal to itself.
NUMBERS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))  # decoded text has no lone surrogates
st.register_type_strategy(float, NUMBERS)
st.register_type_strategy(str, TEXTS)
SCORES = st.tuples(st.builds(TokenScore, data=st.binary(max_size=6), logprob=NUMBERS))


@given(st.from_type(Options))
def test_options_come_back_as_they_were(options: Options) -> None:
    assert decode_options(encode_options(options)) == options


@given(st.from_type(Transcript), st.lists(st.builds(Segment, scores=SCORES), max_size=3))
def test_transcripts_come_back_as_they_were(transcript: Transcript, segments: list[Segment]) -> None:
    whole = replace(transcript, segments=tuple(segments))
    data = encode_transcript(whole)
    assert decode_transcript(data) == whole
    assert json.loads(data, parse_constant=pytest.fail)["version"] == 1  # no NaN: every JSON parser can read it


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@given(message=TEXTS, code=st.text("abc_", min_size=1), param=st.none() | TEXTS)
def test_errors_come_back_as_they_were(kind: type[EndpointError], message: str, code: str, param: str | None) -> None:
    more: dict[str, Any] = {"param": param}
    if issubclass(kind, errors.Unavailable):
        more = {"retry_after": 7}
    elif issubclass(kind, errors.LimitReached):
        more = {"retry_after": 7, "kind": "audio_seconds"}
    error = kind(message, code=code, **more)
    made = decode_error(encode_error(error))
    assert type(made) is kind
    assert vars(made) == vars(error)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"version": 2, "value": {}}', b'{"version": 1}', b'{"version": 1, "value": 3}']
)
def test_other_documents_are_refused(data: bytes) -> None:
    for decode in (decode_options, decode_transcript, decode_error):
        with pytest.raises(CodecError, match="version 1"):
            decode(data)


def test_fields_that_an_older_document_lacks_have_their_defaults() -> None:
    assert decode_options(b'{"version": 1, "value": {"language": "de"}}') == Options(language="de")


def test_without_defaults_a_field_that_is_new_changes_no_document() -> None:
    @dataclass(frozen=True)
    class Older:
        beam: int = 1

    @dataclass(frozen=True)
    class Newer:
        beam: int = 1
        interim: bool = False

    for beam in (1, 2):
        assert encode(Newer, Newer(beam), defaults=False) == encode(Older, Older(beam), defaults=False)
    assert encode(Newer, Newer(2), defaults=False) != encode(Newer, Newer(1), defaults=False)


@given(st.from_type(Options))
def test_options_that_differ_differ_without_defaults_as_well(options: Options) -> None:
    written = encode(Options, options, defaults=False)
    assert decode_options(written) == options


def test_an_error_of_a_class_that_is_not_known_is_an_error_all_the_same() -> None:
    data = encode_error(EndpointError("new", code="new")).replace(b"EndpointError", b"FromTheFuture")
    assert type(decode_error(data)) is EndpointError
