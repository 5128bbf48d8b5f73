import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.api import schemas
from endpoint.options import Task
from endpoint.text.events import PING, EventWriter, frame
from endpoint.text.format import Rendering
from endpoint.types import TokenScore
from tests.api_support import TRANSCRIPT, WORDS, segment


def parsed(events):
    """The events' bodies; every frame is one data line and a blank one."""
    frames = events.decode().split("\n\n")
    assert frames.pop() == ""
    for line in frames:
        assert line.startswith("data: ")
        assert "\n" not in line
    return [json.loads(line.removeprefix("data: ")) for line in frames]


def written(transcript, form="json", **options):
    writer = EventWriter(Rendering(form, **options))
    deltas = parsed(writer.deltas(transcript.segments))
    (done,) = parsed(writer.done(transcript))
    for delta in deltas:
        schemas.TextDelta.model_validate(delta, strict=True)
    schemas.TextDone.model_validate(done, strict=True)
    return deltas, done


@pytest.mark.parametrize("form", ["json", "text"])
def test_plain_events(form):
    deltas, done = written(TRANSCRIPT, form)
    assert deltas == [
        {"type": "transcript.text.delta", "delta": "Hello wörld."},
        {"type": "transcript.text.delta", "delta": " Good bye."},
    ]
    assert set(done) == {"type", "text", "languages", "usage"}
    assert done["text"] == TRANSCRIPT.text
    assert done["usage"]["type"] == "tokens"


def test_verbose_events_have_times_and_end_with_everything():
    deltas, done = written(replace(TRANSCRIPT, words=WORDS, coverage=1.0), "verbose_json")
    assert [(delta["start"], delta["end"]) for delta in deltas] == [(0.0, 3.32), (3.32, 8.47)]
    assert (done["language"], done["duration"], len(done["segments"]), len(done["words"])) == ("english", 8.47, 2, 2)
    assert (done["coverage"], done["usage"]["type"]) == (1.0, "tokens")
    _, words_only = written(replace(TRANSCRIPT, words=WORDS), "verbose_json", segments=False)
    assert "segments" not in words_only


def test_translations_have_no_languages():
    for form in ("json", "verbose_json"):
        _, done = written(replace(TRANSCRIPT, task=Task.TRANSLATE), form)
        assert not {"languages", "task", "words"} & set(done)


def test_logprobs_are_in_the_event_of_their_text():
    scores = (TokenScore(b" Hel", -0.1), TokenScore("lo wö".encode()[:-1], -0.2))
    one = replace(TRANSCRIPT.segments[0], scores=scores)
    deltas, done = written(replace(TRANSCRIPT, segments=(one, TRANSCRIPT.segments[1])), logprobs=True)
    assert [len(delta["logprobs"]) for delta in deltas] == [2, 0]
    assert done["logprobs"] == deltas[0]["logprobs"]
    assert done["logprobs"][1] == {"token": "lo w\ufffd", "logprob": -0.2, "bytes": list("lo wö".encode()[:-1])}


texts = st.lists(st.text(" \n\tab-ü", max_size=5), max_size=8)


@given(texts, st.integers(1, 3))
def test_deltas_joined_are_the_text_whatever_the_spaces(listed, at_once):
    segments = [segment(k, k * 1000, k * 1000 + 500, text) for k, text in enumerate(listed)]
    writer = EventWriter(Rendering("json"))
    events = b"".join(writer.deltas(segments[k : k + at_once]) for k in range(0, len(segments), at_once))
    transcript = replace(TRANSCRIPT, segments=tuple(segments))
    deltas = [event["delta"] for event in parsed(events)]
    assert "".join(deltas) == transcript.text == parsed(writer.done(transcript))[0]["text"]
    assert all(delta.strip() for delta in deltas)


def test_a_frame_is_one_line_and_a_ping_no_event():
    assert frame({"text": "a\nb\u2028"}).count(b"\n") == 2
    assert PING.startswith(b":")
