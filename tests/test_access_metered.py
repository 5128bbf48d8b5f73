"""What a transcriber made is charged: endpoint.access.metered."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from endpoint.access.charge import Charge
from endpoint.access.limits import Limiter
from endpoint.access.metered import Metered
from endpoint.access.usage import UsageRow
from endpoint.call import Call
from endpoint.caller import ANONYMOUS
from endpoint.core.transcriber import transcribe
from endpoint.options import Options, Task
from tests.api_support import AUDIO, StandIn


class Rows(list[UsageRow]):
    def add(self, row: UsageRow) -> None:
        self.append(row)


@pytest.fixture
def rows() -> Rows:
    return Rows()


def charge(rows: Rows) -> Charge:
    return Limiter(lambda: pytest.fail("nothing is counted"), meter=rows).charge(ANONYMOUS, "req_1")


async def test_a_transcript_is_charged_by_its_length(rows: Rows) -> None:
    one = charge(rows)
    metered = Metered(StandIn(), one)
    await metered.check()
    assert metered.info.model == "whisper-test"
    await transcribe(metered, AUDIO, Options(task=Task.TRANSLATE), Call(charge=one))
    await one.close()
    assert [(row.task, row.audio_ms, row.billed_seconds) for row in rows] == [("translate", 8_470, 9)]


async def test_detection_is_charged_too(rows: Rows) -> None:
    one = charge(rows)
    await Metered(StandIn(), one).detect(AUDIO, Options(), Call(charge=one))
    await one.close()
    assert [(row.task, row.audio_ms) for row in rows] == [("detect", 8_470)]


@pytest.mark.parametrize(("incremental", "charged"), [(True, [8_470]), (False, [])])
async def test_a_stream_is_charged_from_its_first_text_on(rows: Rows, incremental: bool, charged: list[int]) -> None:
    one, inner = charge(rows), StandIn()
    call = Call(charge=one)
    async with aclosing(Metered(inner, one).segments(AUDIO, Options(incremental=incremental), call)) as steps:
        await anext(steps)  # it is audio
        if incremental:
            await anext(steps)
    await one.close(left=True)
    assert [row.audio_ms for row in rows] == charged
    assert inner.running == 0
