"""make mixed: many different requests at once, and then nothing of them is left in the engine.

    --count 1000    requests, 24 at a time, of whisper-base with packing of short clips
    --seed 0

Beams of 1 to 10, sampling with candidates, words, streams, translations, packed clips, and a fifth that is given up
while it runs. What the engine holds is counted in its process: requests, blocks, rows, encoder outputs, waiting beams.
Texts with more wrong words than right ones are compared with all other recordings' texts. Exit status 1 if anything is
left a minute after the last, if a request failed, or if one got the text of another's recording.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.human.clips import PROMPTS, Clip, prompts, shipped
from endpoint.audio.decode import Decoder
from endpoint.bench.words import errors
from endpoint.config import load_settings
from endpoint.core.transcriber import transcribe
from endpoint.options import Options, Sampling, Task

if TYPE_CHECKING:
    from endpoint.engine.client import VllmEngine

AT_ONCE, WAIT_SECONDS = 24, 60


def options(choose: random.Random, language: str) -> Options:
    sampling = Sampling(beam_size=choose.randint(1, 10), best_of=choose.choice([None, 3]))
    made = Options(sampling=sampling, language=choose.choice([None, language]))
    kind = choose.randrange(6)
    if kind == 0:
        return replace(made, temperature=0.4)
    if kind == 1:
        return replace(made, words=True)
    if kind == 2:
        return replace(made, task=Task.TRANSLATE)
    return replace(made, prompt="Names." if kind == 3 else None)


async def run(count: int, seed: int) -> int:
    # Not above: the engine's process imports this file again, and vLLM's CPU build fails where it finds numba.
    from endpoint.core.packing import PackingEngine
    from endpoint.core.pipeline import Pipeline
    from endpoint.engine.client import VllmEngine

    settings = load_settings(model_id="base", log_level="error")
    engine = VllmEngine(settings)
    pipeline = Pipeline(PackingEngine(engine, settings.window_seconds), Decoder(settings), settings.window_seconds)
    clips = [*shipped(), *(clip for name in PROMPTS for clip in prompts(name, Path("build/human/prompts"), 20))]
    data = {clip: clip.path.read_bytes() for clip in clips}
    choose, done = random.Random(seed), Counter[str]()
    numbers = iter(range(count))

    async def one() -> None:
        clip = choose.choice(clips)
        asked = replace(options(choose, clip.language), incremental=choose.random() < 0.2)
        done["streams"] += asked.incremental
        work = asyncio.ensure_future(transcribe(pipeline, data[clip], asked))
        if choose.random() < 0.2:
            await asyncio.sleep(choose.random() * 4)
            if not work.done():
                work.cancel()
                done["given up"] += 1
        await asyncio.gather(work, return_exceptions=True)
        if not work.cancelled():
            done["failed" if work.exception() else "finished"] += 1
            if error := work.exception():
                print(f"{type(error).__name__}: {error}", flush=True)
            elif asked.task is Task.TRANSCRIBE and (other := mistaken(clip, work.result().text, clips)):
                done["another's text"] += 1
                print(f"{clip.path.name}: {work.result().text!r} is {other.path.name}", flush=True)

    async def caller() -> None:
        for number in numbers:
            await one()
            if number % 100 == 99:
                print(number + 1, dict(done), await engine.held(), flush=True)

    await pipeline.start()
    try:
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        held = await emptied(engine)
    finally:
        await pipeline.close()
    print(f"{count} requests: {dict(done)}; left in the engine: {held}")
    return 1 if any(held.values()) or done["failed"] or done["another's text"] else 0


def mistaken(clip: Clip, text: str, clips: Sequence[Clip]) -> Clip | None:
    """The recording that a text is of, if it is another's."""
    wrong, words = errors(clip.text, text)
    if 2 * wrong <= words:
        return None
    nearest = min(clips, key=lambda other: errors(other.text, text)[0])
    return nearest if errors(nearest.text, text)[0] < wrong / 2 else None


async def emptied(engine: VllmEngine) -> dict[str, int]:
    """What the engine holds once that is nothing, or after WAIT_SECONDS seconds."""
    for _ in range(WAIT_SECONDS):
        if not any((held := await engine.held()).values()):
            break
        await asyncio.sleep(1)
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    return asyncio.run(run(args.count, args.seed))


if __name__ == "__main__":
    sys.exit(main())
