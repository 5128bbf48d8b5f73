"""Windows decoded side by side, or each after the one before it; what was heard in them is taken in file order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from endpoint.options import Options
from endpoint.repair import decode_fully
from endpoint.tasks import Places, in_order
from endpoint.text.judge import is_silence
from endpoint.types import Engine, Hypothesis, Window

PROMPT_RESET_TEMPERATURE = 0.5  # openai/whisper transcribe.py
PROMPT_CHARACTERS = 2_000  # more than 223 tokens of any language hold
WINDOWS_AT_ONCE = 32  # of one file; a long file leaves room in the engine's batch for others

Progress = Callable[[int, int], None]  # windows done, windows in all
Take = Callable[[list[Hypothesis], bool], Awaitable[None]]  # of one window; whether the next one hears its end again


def ignore(done: int, total: int) -> None:
    """The Progress that nobody follows."""


async def decode_each(
    engine: Engine,
    windows: Sequence[Window],
    options: Options,
    progress: Progress,
    take: Take,
    *,
    first: int = WINDOWS_AT_ONCE,
) -> None:
    """Decode every window, `first` of them at once to begin with; a failure, of `take` too, cancels the rest."""
    followers = iter([*windows[1:], None])

    async def taken(found: list[Hypothesis]) -> None:
        follower = next(followers)
        await take(found, follower is not None and follower.overlap > 0)

    if options.condition_on_previous_text:
        await _in_turn(engine, windows, options, progress, taken)
        return
    places = Places(first, WINDOWS_AT_ONCE)
    done = 0

    async def one(window: Window) -> list[Hypothesis]:
        nonlocal done
        async with places:
            found = await decode_fully(engine, window, options)
        done += 1
        progress(done, len(windows))
        return found

    await in_order(map(one, windows), taken)


async def _in_turn(
    engine: Engine,
    windows: Sequence[Window],
    options: Options,
    progress: Progress,
    taken: Callable[[list[Hypothesis]], Awaitable[None]],
) -> None:
    """One window after the other, each prompted with the text before it, as the reference does."""
    given, texts = options, list[str]()
    for number, window in enumerate(windows, 1):
        found = await decode_fully(engine, window, given)
        # Text that took a high temperature is no good guide to what follows, nor is what was heard in silence.
        texts += [
            h.text for h in found if h.temperature <= PROMPT_RESET_TEMPERATURE and not is_silence(h, options.thresholds)
        ]
        given = replace(options, prompt="".join([options.prompt or "", *texts])[-PROMPT_CHARACTERS:])
        progress(number, len(windows))
        await taken(found)
