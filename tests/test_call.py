"""The context of a request and its measurements: endpoint.call."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.admission import Admission, Load
from endpoint.call import Call, Priority, Record, Stage
from endpoint.errors import DeadlineExceeded, Overloaded


def test_a_record_adds_up_by_stage() -> None:
    record = Record()
    record.add(Stage.ENGINE, spent=1.25)
    record.add(Stage.ENGINE, spent=0.25, waited=0.1)
    record.add(Stage.ALIGN, spent=0.0)
    with pytest.raises(ValueError, match="inside"), record.spending(Stage.FORMAT), record.waiting(Stage.QUEUE):
        raise ValueError("inside")
    assert record.spent[Stage.ENGINE] == 1.5
    assert Stage.ALIGN not in record.spent
    assert record.spent[Stage.FORMAT] >= record.waited[Stage.QUEUE] > 0
    shown = record.milliseconds()
    assert (shown["encode+decode"], shown["encode+decode_wait"]) == (1500, 100)
    assert next(iter(shown)) == "encode+decode"  # in the order of the stages


async def test_what_takes_longer_than_its_deadline_is_cancelled() -> None:
    with pytest.raises(DeadlineExceeded, match=r"0.001 s"):
        async with Call(seconds=0.001).deadline():
            await asyncio.Event().wait()


async def test_a_timeout_inside_is_not_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with Call(seconds=1000).deadline():
            raise TimeoutError
    async with Call().deadline():  # none
        await asyncio.sleep(0)


async def test_passes_over_the_audio_are_work() -> None:
    load = Load.of(1)
    with Admission(1, 10, load).permit() as permit:
        call = Call(permit=permit)
        await call.admit(4, passes=2)
        assert sum(load.seconds) == 8
        assert call.record.audio_seconds == 4
        load.seconds[1] += 5  # of another request
        with pytest.raises(Overloaded):
            await call.admit(1)


async def test_a_call_nobody_competes_with_is_admitted() -> None:
    call = Call()
    await call.admit(1e6)
    assert call.record.audio_seconds == 1e6
    assert Call().id != call.id
    assert sorted(Priority) == [Priority.HIGH, Priority.NORMAL, Priority.LOW]
