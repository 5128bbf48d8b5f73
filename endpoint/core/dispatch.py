"""Windows are decoded in parallel, or one after the other; results are taken in file order."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from endpoint.call import Call, Stage
from endpoint.core.checkpoint import decode_hypotheses, encode_hypotheses
from endpoint.core.continuation import decode_fully
from endpoint.core.gate import Gate
from endpoint.options import Options
from endpoint.tasks import Slots, in_order
from endpoint.text.judge import is_silence
from endpoint.types import Hypothesis, Window, WindowEngine

PROMPT_RESET_TEMPERATURE = 0.5  # openai/whisper transcribe.py
PROMPT_CHARACTERS = 2_000  # 223 tokens of any language are shorter
WINDOWS_AT_ONCE = 32  # of one file, so that a long file leaves room for others in the engine's batch
PART, LEAST_AT_ONCE = 8, 6  # of a file in the background, this part at once, or these: see `_at_once`

Take = Callable[[list[Hypothesis], bool], Awaitable[None]]  # hypotheses of a window; whether the next one overlaps it
Taken = Callable[[list[Hypothesis]], Awaitable[None]]
Decoded = Callable[[Window], None]


class Dispatcher:
    """Decodes the windows of one call, in the order and number that it may; those of its checkpoint are not decoded.

    decoded: called with each window as soon as it is decoded, whatever the order. count: the number that the next
    window has in the checkpoint.
    """

    def __init__(self, engine: WindowEngine, gate: Gate, options: Options, call: Call, decoded: Decoded) -> None:
        self._engine, self._gate, self._options, self._call, self._decoded = engine, gate, options, call, decoded
        self.count = 0

    async def decode_each(self, windows: Sequence[Window], take: Take, *, at_first: int = WINDOWS_AT_ONCE) -> None:
        """Decode the next windows, at first `at_first` of them at once. A failure, of `take` too, cancels the rest."""
        followers = iter([*windows[1:], None])
        ends = [after.start if after.overlap else None for after in windows[1:]]
        numbered = list(zip(itertools.count(self.count), windows, [*ends, None], strict=False))
        self.count += len(windows)

        async def taken(found: list[Hypothesis]) -> None:
            follower = next(followers)
            await take(found, follower is not None and follower.overlap > 0)

        if self._options.condition_on_previous_text:
            await self._in_turn(numbered, taken)
            return
        most = self._at_once(len(windows))
        slots = Slots(min(at_first, most), most)

        async def one(number: int, window: Window, until: int | None) -> list[Hypothesis]:
            with self._call.record.waiting(Stage.QUEUE):
                await slots.acquire()
            try:
                return await self._decode(number, window, self._options, until)
            finally:
                slots.release()

        await in_order(itertools.starmap(one, numbered), taken)

    def _at_once(self, count: int) -> int:
        """How many of so many windows. In the background fewer of a short recording: windows that are begun are not
        counted as done, and an engine encodes all of them before it ends the first, so progress would stand still.
        """
        if not self._call.background:
            return WINDOWS_AT_ONCE
        return min(WINDOWS_AT_ONCE, max(LEAST_AT_ONCE, count // PART))

    async def _decode(self, number: int, window: Window, options: Options, until: int | None) -> list[Hypothesis]:
        found = await self._found(number, window, options, until)
        self._decoded(window)
        return found

    async def _found(self, number: int, window: Window, options: Options, until: int | None) -> list[Hypothesis]:
        kept = self._call.checkpoint
        data = None if kept is None else kept.found.get(number)
        if data is not None and (found := decode_hypotheses(data, window)) is not None:
            return found
        async with self._gate.window(self._call.urgency):
            made = await decode_fully(self._engine, window, options, until)
        if kept is not None:
            await kept.save(number, encode_hypotheses(made))
        return made

    async def _in_turn(self, numbered: Sequence[tuple[int, Window, int | None]], taken: Taken) -> None:
        """One window after the other, each prompted with the text before it, as the reference does."""
        options = self._options
        given, texts = options, list[str]()
        for number, window, until in numbered:
            found = await self._decode(number, window, given, until)
            # Text decoded at a high temperature, or recognized in silence, is a bad prompt for the next window.
            texts += [
                h.text
                for h in found
                if h.temperature <= PROMPT_RESET_TEMPERATURE and not is_silence(h, options.thresholds)
            ]
            given = replace(options, prompt="".join([options.prompt or "", *texts])[-PROMPT_CHARACTERS:])
            await taken(found)
