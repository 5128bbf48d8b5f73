"""A transcriber that tells a charge what it made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from endpoint.access.charge import Charge
from endpoint.call import Call
from endpoint.core.transcriber import Steps, Transcriber, Wrapped
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.types import Transcript

DETECT = "detect"  # the task of language detection, in the ledger


class Metered(Wrapped):
    """A Transcriber. The one within is started and closed by whoever made it."""

    def __init__(self, within: Transcriber, charge: Charge) -> None:
        super().__init__(within)
        self._charge = charge

    async def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        async with aclosing(self._within.segments(data, options, call)) as steps:
            async for step in steps:
                if isinstance(step, Transcript):
                    self._charge.made(step.duration_ms, options.task.value)
                elif step.segments and options.incremental:
                    self._charge.begun(options.task.value)
                yield step

    async def detect(self, data: bytes | MemoryFile, options: Options, call: Call) -> tuple[Mapping[str, float], int]:
        shares, duration_ms = await self._within.detect(data, options, call)
        self._charge.made(duration_ms, DETECT)
        return shares, duration_ms
