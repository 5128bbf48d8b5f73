"""What is observed of a call: its end, its failure, its line in the log."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.admission import Urgency
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
    with pytest.raises(type(error)), Observer(Metrics()).observing(Call(urgency=Urgency.JOB)):
        raise error
    assert float(change) == 1


def test_a_pass_over_an_open_turn_that_gives_way_is_no_failure() -> None:
    changes = [
        Change("stt_failed_recordings_total", **{"class": "live", "code": code}) for code in (LEFT, "superseded", FAULT)
    ]
    for error in (asyncio.CancelledError(), ZeroDivisionError()):
        with pytest.raises(type(error)), Observer(Metrics()).observing(Call(urgency=Urgency.LIVE)):
            raise error
    assert [float(change) for change in changes] == [0, 0, 1]


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
