"""stream=True: the events of the client, and the bytes of the response, on the real engine."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.clients import TRANSLATE, Client
from tests.conformance.contract import MEDIA_TYPES, check_error, check_events
from tests.conformance.test_formats import REFERENCE, SAMPLES, SEVEN
from tests.talk import make_talk

pytestmark = pytest.mark.timeout(600)

STREAMED = ("json", "text", "verbose_json")
CLASSES = {"transcript.text.delta": "TranscriptionTextDeltaEvent", "transcript.text.done": "TranscriptionTextDoneEvent"}


def events_of(body: str) -> list[object]:
    """Parse server-sent events that have data lines only, and leave comments out."""
    blocks = body.split("\n\n")
    assert blocks.pop() == ""
    events = []
    for block in blocks:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        assert all(line.startswith("data: ") for line in lines), block
        if lines:
            events.append(json.loads("\n".join(line.removeprefix("data: ") for line in lines)))
    return events


@pytest.mark.parametrize("form", [None, *STREAMED])
def test_events(client: Client, real: str, form: str | None) -> None:
    """Events of json, text and verbose_json: deltas, which joined are the text, and one done"""
    response = client(real, stream=True, **({"response_format": form} if form else {})).ok
    done = check_events([event["value"] for event in response.events], verbose=form == "verbose_json")
    assert done.text == SEVEN
    assert done.usage.input_token_details.audio_tokens > 0
    if client.is_python:
        assert [event["class"] for event in response.events] == [CLASSES[e["value"]["type"]] for e in response.events]


@pytest.mark.parametrize("granularities", [(), ("segment",), ("word",), ("word", "segment")], ids="-".join)
def test_verbose_events(client: Client, real: str, granularities: tuple[str, ...]) -> None:
    """With verbose_json the last event has segments, words or both, as asked"""
    asked = {"timestamp_granularities": granularities} if granularities else {}
    response = client(real, file=SAMPLES / "english.wav", stream=True, response_format="verbose_json", **asked).ok
    done = check_events([event["value"] for event in response.events], verbose=True)
    assert done.text == REFERENCE["english.wav"]["text"]
    assert (done.segments is not None) == (not granularities or "segment" in granularities)
    assert (done.words is not None) == ("word" in granularities)


def test_logprobs(client: Client, real: str) -> None:
    """include[]=logprobs: deltas and done have them"""
    response = client(real, stream=True, include=["logprobs"]).ok
    done = check_events([event["value"] for event in response.events], logprobs=True)
    assert done.logprobs


def test_early(client: Client, real: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """The first text of ten minutes comes before 20 % of the time they take; the deltas joined are the whole text"""
    talk = tmp_path / "talk.wav"
    talk.write_bytes(make_talk(600, seed=3).wav)
    shares = []
    for _ in range(3):
        events = client(real, file=talk, stream=True, language="en").ok.events
        check_events([event["value"] for event in events])
        assert len(events) > 20
        shares.append(events[0]["seconds"] / events[-1]["seconds"])
    record_property("share", statistics.median(shares))
    assert min(shares) < 0.2, shares  # a busy machine delays some


@pytest.mark.parametrize("form", STREAMED)
def test_wire(client: Client, real: str, form: str) -> None:
    """On the wire: text/event-stream, data lines of JSON, no event names, no [DONE]"""
    response = client(real, stream=True, response_format=form, way="streaming_response").ok
    assert response.headers["content-type"] == MEDIA_TYPES["stream"]
    assert response.headers["x-request-id"] == response.request_id
    assert check_events(events_of(response.body), verbose=form == "verbose_json").text == SEVEN


@pytest.mark.parametrize("form", STREAMED)
def test_translation(client: Client, real: str, form: str) -> None:
    """A translation in a stream, which OpenAI does not have"""
    response = client(
        real,
        call=TRANSLATE,
        file=SAMPLES / "german.flac",
        stream=True,
        response_format=form,
        way="streaming_response",
    ).ok
    done = check_events(events_of(response.body), verbose=form == "verbose_json")
    assert done.text.startswith("hello friend")


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_cues_are_not_streamed(client: Client, real: str, form: str) -> None:
    """srt and vtt with stream are refused: events carry text"""
    failed = client(real, stream=True, response_format=form).failed
    assert (failed.kind, failed.param) == ("BadRequestError", "stream")


def test_errors_before(client: Client, real: str) -> None:
    """A wrong request gets an error with its status, not an event"""
    failed = client(real, stream=True, model="nonsense").failed
    assert (failed.kind, failed.status, failed.code) == ("NotFoundError", 404, "model_not_found")
    failed = client(real, stream=True, how="none").failed
    assert (failed.kind, failed.param) == ("BadRequestError", "file")
    check_error({"error": failed.body}, "empty_file", "file")
