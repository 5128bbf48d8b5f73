"""What is observed of a call: its end, its failure, its line in the log."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.api.errors import ClientGone
from endpoint.call import Call, Stage
from endpoint.caller import Caller
from endpoint.errors import EndpointError, InvalidAudio
from endpoint.observe.calls import FAULT, LEFT, Observer, measured
from endpoint.observe.metrics import Metrics
from tests.test_observe_metrics import Change


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidAudio("x"), "invalid_audio"),
        (EndpointError("x"), FAULT),
        (ZeroDivisionError(), FAULT),
        (ClientGone(), LEFT),
        (asyncio.CancelledError(), LEFT),
        (GeneratorExit(), LEFT),
    ],
)
def test_failures_are_counted_by_their_code(error: BaseException, code: str) -> None:
    change = Change("stt_failed_recordings_total", **{"class": "job", "code": code})
    with pytest.raises(type(error)), Observer(Metrics()).observing(Call(background=True)):
        raise error
    assert float(change) == 1


def test_the_line_of_a_call_names_the_key_and_nothing_of_the_content() -> None:
    call = Call(caller=Caller("key_1", "tenant"))
    call.record.model, call.record.audio_seconds, call.record.languages = "m", 2.0, {"de": 2.0}
    call.record.add(Stage.ENGINE, spent=0.25)
    assert measured(call) == {
        "key": "tenant",
        "model": "m",
        "audio_seconds": 2.0,
        "languages": ["de"],
        "stages": {"encode+decode": 250},
    }
    assert measured(Call())["key"] == "anonymous"
