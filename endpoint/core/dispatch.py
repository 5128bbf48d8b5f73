"""Windows are decoded in parallel, or one after the other; results are taken in file order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from endpoint.call import Record, Stage
from endpoint.core.continuation import decode_fully
from endpoint.options import Options
from endpoint.tasks import Slots, in_order
from endpoint.text.judge import is_silence
from endpoint.types import Hypothesis, Window, WindowEngine

PROMPT_RESET_TEMPERATURE = 0.5  # openai/whisper transcribe.py
PROMPT_CHARACTERS = 2_000  # 223 tokens of any language are shorter
WINDOWS_AT_ONCE = 32  # of one file, so that a long file leaves room for others in the engine's batch

Take = Callable[[list[Hypothesis], bool], Awaitable[None]]  # hypotheses of a window; whether the next one overlaps it


async def decode_each(
    engine: WindowEngine,
    windows: Sequence[Window],
    options: Options,
    take: Take,
    record: Record,
    *,
    at_first: int = WINDOWS_AT_ONCE,
) -> None:
    """Decode every window, at first `at_first` of them at once. A failure, of `take` too, cancels the rest."""
    followers = iter([*windows[1:], None])

    async def taken(found: list[Hypothesis]) -> None:
        follower = next(followers)
        await take(found, follower is not None and follower.overlap > 0)

    if options.condition_on_previous_text:
        await _in_turn(engine, windows, options, taken)
        return
    slots = Slots(at_first, WINDOWS_AT_ONCE)

    async def one(window: Window) -> list[Hypothesis]:
        with record.waiting(Stage.QUEUE):
            await slots.acquire()
        try:
            found = await decode_fully(engine, window, options)
        finally:
            slots.release()
        return found

    await in_order(map(one, windows), taken)


async def _in_turn(
    engine: WindowEngine,
    windows: Sequence[Window],
    options: Options,
    taken: Callable[[list[Hypothesis]], Awaitable[None]],
) -> None:
    """One window after the other, each prompted with the text before it, as the reference does."""
    given, texts = options, list[str]()
    for window in windows:
        found = await decode_fully(engine, window, given)
        # Text decoded at a high temperature, or recognized in silence, is a bad prompt for the next window.
        texts += [
            h.text for h in found if h.temperature <= PROMPT_RESET_TEMPERATURE and not is_silence(h, options.thresholds)
        ]
        given = replace(options, prompt="".join([options.prompt or "", *texts])[-PROMPT_CHARACTERS:])
        await taken(found)
