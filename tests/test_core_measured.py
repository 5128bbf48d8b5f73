"""An engine whose time is written down: endpoint.core.measured."""

from __future__ import annotations

import numpy as np
import pytest

from endpoint.call import Record, Stage
from endpoint.core.measured import MeasuredEngine
from endpoint.engine.fake import FakeEngine
from endpoint.errors import EngineFailed
from endpoint.options import Options, Task
from endpoint.types import EngineInfo, Window

WINDOW = Window(0, np.full(16_000, 500, np.int16))


async def test_results_are_the_engines_and_their_time_is_in_the_record() -> None:
    engine, record = FakeEngine(EngineInfo("fake", "fake", "1", "none", "none"), 0.001), Record()
    measured = MeasuredEngine(engine, record)
    made = await measured.decode(WINDOW, Options())
    assert made == await engine.decode(WINDOW, Options())
    first = record.spent[Stage.ENGINE]
    assert first > 0
    assert await measured.detect(WINDOW, Options()) == await engine.detect(WINDOW, Options())
    assert record.spent[Stage.ENGINE] > first
    assert Stage.ALIGN not in record.spent
    await measured.align(made, Task.TRANSCRIBE)
    assert record.spent[Stage.ALIGN] > 0
    engine.fail = True
    with pytest.raises(EngineFailed):
        await measured.decode(WINDOW, Options())
