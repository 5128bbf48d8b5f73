"""An engine that records the time one call spends in it."""

from __future__ import annotations

from endpoint.call import Record, Stage
from endpoint.options import Options, Task
from endpoint.types import Hypothesis, Window, WindowEngine


class MeasuredEngine:
    """The engine of one call; its time is added to the call's record."""

    def __init__(self, engine: WindowEngine, record: Record) -> None:
        self._engine, self._record = engine, record

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        with self._record.spending(Stage.ENGINE):
            return await self._engine.decode(window, options)

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        with self._record.spending(Stage.ENGINE):
            return await self._engine.detect(window, options)

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        with self._record.spending(Stage.ALIGN):
            return await self._engine.align(hypothesis, task)
