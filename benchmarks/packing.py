"""Short recordings with PACK_SHORT_CLIPS off and on: python -m benchmarks.packing   (minutes)

Recordings of 2 to 8 s whose words are known (the `short` workload of `endpoint bench`), their language given, go
through the pipeline, decoding and voice activity included, without HTTP. One engine; the ways take turns in one run.
Printed are word errors, how many texts are those of the first turn without packing, recordings a second, latencies,
and of the recordings of a turn those packed and those decoded again alone. Settings come from the environment.

Exit status 1 if the word error rate with packing is above that without.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.table import Table

from endpoint.audio.decode import Decoder
from endpoint.bench.containers import encode
from endpoint.bench.recordings import LANGUAGES, WORKLOADS, Recording, make
from endpoint.bench.words import errors
from endpoint.config import load_settings
from endpoint.core.packing import CLIP_SECONDS, GAP_SECONDS, PackingEngine
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import transcribe
from endpoint.options import Options
from endpoint.wiring import build_engine


@dataclass
class Turns:
    """What one way did, at one number of requests at once."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


async def turn(
    pipeline: Pipeline, recordings: Sequence[Recording], files: Sequence[bytes], at_once: int, into: Turns
) -> None:
    texts = [""] * len(recordings)
    waiting = list(enumerate(recordings))[::-1]

    async def caller() -> None:
        while waiting:
            number, recording = waiting.pop()
            began = time.perf_counter()
            transcript = await transcribe(pipeline, files[number], Options(language=recording.language))
            into.latencies.append(time.perf_counter() - began)
            texts[number] = transcript.text

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(caller())
    into.rates.append(len(recordings) / (time.perf_counter() - began))
    into.texts.append(texts)


async def measure(args: argparse.Namespace, recordings: Sequence[Recording]) -> dict[int, dict[str, Turns]]:
    """What each way did, by its name, at each number of requests at once."""
    settings = load_settings(log_level="error", pack_short_clips=False)
    files = [encode(recording.samples, "wav") for recording in recordings]
    engine, decoder = build_engine(settings), Decoder(settings)
    pipeline = Pipeline(engine, decoder, settings.window_seconds)
    await pipeline.start()
    packed = {
        f"{clip:g} s, gap {gap:g} s": PackingEngine(engine, settings.window_seconds, clip, gap)
        for clip in args.clips
        for gap in args.gaps
    }
    found: dict[int, dict[str, Turns]] = {}
    try:
        await turn(pipeline, recordings[:32], files, 16, Turns())  # warms up
        for at_once in args.at_once:
            found[at_once] = {"off": Turns()} | {name: Turns() for name in packed}
            for _ in range(args.turns):
                for name, way in {"off": engine, **packed}.items():
                    pipeline._engine = way
                    before = Counter(way.counts) if isinstance(way, PackingEngine) else Counter[str]()
                    await turn(pipeline, recordings, files, at_once, found[at_once][name])
                    if isinstance(way, PackingEngine):
                        found[at_once][name].counts += way.counts - before
    finally:
        await pipeline.close()
    return found


def word_errors(way: Turns, recordings: Sequence[Recording]) -> tuple[int, int]:
    """(wrong words, words of the reference) of all turns."""
    pairs = [errors(r.text or "", text) for texts in way.texts for r, text in zip(recordings, texts, strict=True)]
    return sum(wrong for wrong, _ in pairs), sum(words for _, words in pairs)


def show(found: dict[int, dict[str, Turns]], recordings: Sequence[Recording], turns: int) -> None:
    console = Console(width=150, soft_wrap=True)
    table = Table(title=f"{len(recordings)} recordings of 2 to 8 s a turn, {turns} turns a row, medians")
    for column in ("at once", "packed up to", "WER %", "same text %", "clips/s", "times off", "p50 s", "p95 s", "packs",
                   "packed", "again"):  # fmt: skip
        table.add_column(column)
    for at_once, ways in found.items():
        off = ways["off"]
        for name, way in ways.items():
            wrong, words = word_errors(way, recordings)
            same = statistics.mean(a == b for texts in way.texts for a, b in zip(texts, off.texts[0], strict=True))
            times = statistics.median(on / before for on, before in zip(way.rates, off.rates, strict=True))
            parts = statistics.quantiles(way.latencies, n=20)
            counts = [f"{way.counts[key] / turns:.0f}" for key in ("packs", "clips", "again")]
            table.add_row(
                str(at_once), name, f"{100 * wrong / words:.2f}", f"{100 * same:.1f}",
                f"{statistics.median(way.rates):.1f}", f"{times:.2f}", f"{parts[9]:.2f}", f"{parts[18]:.2f}", *counts,
            )  # fmt: skip
    console.print(table)


def main() -> int:
    def numbers(text: str) -> list[float]:
        return [float(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=128, help="recordings a turn")
    parser.add_argument("--languages", type=lambda text: text.split(","), default=list(LANGUAGES))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--at-once", type=lambda text: [int(part) for part in text.split(",")], default=[16, 64])
    parser.add_argument("--clips", type=numbers, default=[CLIP_SECONDS], help="longest windows packed, in seconds")
    parser.add_argument("--gaps", type=numbers, default=[GAP_SECONDS], help="silences between, in seconds")
    args = parser.parse_args()
    recordings = make(replace(WORKLOADS["short"], count=args.count), args.languages)
    found = asyncio.run(measure(args, recordings))
    show(found, recordings, args.turns)
    rates = [[word_errors(way, recordings)[0] for way in ways.values()] for ways in found.values()]
    return 1 if any(wrong > off for off, *others in rates for wrong in others) else 0


if __name__ == "__main__":
    sys.exit(main())
