"""What sharing a window does to the words: python -m benchmarks.packing_words   (minutes)

Recordings of 2 to 8 s whose words are known are decoded alone and, packed as full as windows of each length go, with
each gap between. Printed are the wrong words, the clips with more and with fewer of them than alone, and those that
would be decoded again. Greedy, the language given, nothing decoded twice. Settings come from the environment.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from endpoint.audio.decode import Decoder
from endpoint.audio.spans import find_spans
from endpoint.audio.window import pack
from endpoint.bench.containers import encode
from endpoint.bench.recordings import LANGUAGES, WORKLOADS, Recording, make
from endpoint.bench.words import errors
from endpoint.config import load_settings
from endpoint.core.packing import GAP_SECONDS, LEAN, lay, split
from endpoint.options import Options, VadOptions
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Engine, Hypothesis, Window
from endpoint.wiring import build_engine

AT_ONCE = 16
SEED = 99
Clip = tuple[Recording, Window]


async def cut(recordings: Sequence[Recording], decoder: Decoder) -> list[Clip]:
    """The recordings that are one window, with it."""
    found = []
    for recording in recordings:
        audio = await decoder.decode(encode(recording.samples, "wav"), True)
        assert audio.speech is not None
        windows = pack(audio, find_spans(audio.speech, len(audio.samples), VadOptions()), WINDOW_SAMPLES)
        found += [(recording, window) for window in windows if len(windows) == 1]
    return found


def fill(clips: Sequence[Clip], most: int, gap: int) -> list[list[int]]:
    """Numbers of the clips that share each window of at most `most` samples: of one language, in order."""
    packs = []
    for language in LANGUAGES:
        some, size = list[int](), 0
        for number, (recording, window) in enumerate(clips):
            if recording.language != language:
                continue
            if some and size + len(window.samples) > most:
                packs.append(some)
                some, size = [], 0
            some.append(number)
            size += len(window.samples) + gap + SAMPLE_RATE // 50
        packs.append(some)
    return [some for some in packs if some]


async def measure(engine: Engine, clips: Sequence[Clip], ways: Sequence[tuple[float, float]]) -> Table:
    permits = asyncio.Semaphore(AT_ONCE)

    async def decode(window: Window, language: str) -> Hypothesis:
        async with permits:
            return await engine.decode(window, Options(language=language))

    async def together(some: Sequence[int], gap: int) -> list[tuple[int, Hypothesis | None]]:
        samples, slots = lay([clips[number][1] for number in some], gap)
        decoded = await decode(Window(0, samples), clips[some[0]][0].language)
        return list(zip(some, split(decoded, slots, int(1000 * LEAN * gap / SAMPLE_RATE)), strict=True))

    def wrong(texts: Sequence[str]) -> list[int]:
        return [errors(r.text or "", text)[0] for (r, _), text in zip(clips, texts, strict=True)]

    texts = [h.text for h in await asyncio.gather(*(decode(window, r.language) for r, window in clips))]
    alone, words = wrong(texts), sum(errors(r.text or "", "")[1] for r, _ in clips)
    table = Table(title=f"{len(clips)} clips, {words} words")
    for column in ("windows of", "gap", "words wrong", "WER %", "clips worse", "better", "again"):
        table.add_column(column)
    table.add_row("alone", "", str(sum(alone)), f"{100 * sum(alone) / words:.2f}")
    for seconds, gap in ways:
        size = int(gap * SAMPLE_RATE)
        packs = fill(clips, int(seconds * SAMPLE_RATE), size)
        found = dict(part for parts in await asyncio.gather(*(together(p, size) for p in packs)) for part in parts)
        own = [found[number] for number in range(len(clips))]
        now = wrong([text if h is None else h.text for h, text in zip(own, texts, strict=True)])
        worse, better = (sum(sign * (a - b) > 0 for a, b in zip(now, alone, strict=True)) for sign in (1, -1))
        row = str(sum(now)), f"{100 * sum(now) / words:.2f}", str(worse), str(better), str(own.count(None))
        table.add_row(f"{seconds:g} s", f"{gap:g} s", *row)
    return table


async def run(count: int, ways: Sequence[tuple[float, float]]) -> None:
    settings = load_settings(log_level="error", pack_short_clips=False)
    engine, decoder = build_engine(settings), Decoder(settings)
    await decoder.start()
    try:
        clips = await cut(make(replace(WORKLOADS["short"], count=count), seed=SEED), decoder)
        await engine.start()
        Console(width=120).print(await measure(engine, clips, ways))
    finally:
        await engine.close()
        await decoder.close()


def main() -> None:
    def way(text: str) -> tuple[float, float]:
        seconds, _, gap = text.partition("/")
        return float(seconds), float(gap or GAP_SECONDS)

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1600)
    parser.add_argument("--ways", type=way, nargs="+", default=[(30, 0.5), (30, 1), (30, 2), (22, 1), (15, 1), (10, 1)],
                        help="longest window and gap in seconds: 30/0.5")  # fmt: skip
    args = parser.parse_args()
    asyncio.run(run(args.count, args.ways))


if __name__ == "__main__":
    main()
