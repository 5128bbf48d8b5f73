"""Recordings in two languages, `language=multi`: python -m benchmarks.languages   (minutes; needs espeak-ng)

Talks that change once, conversations in turns of 3 to 20 s, talks with a phrase of another language now and then, and
turns without any pause. Prints, of each, the word error rate and how many probes were taken for a window.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.quality import scores
from benchmarks.quality.recordings import Recording, Studio
from endpoint.call import Call, Counted
from endpoint.config import TEST_MODEL, load_settings
from endpoint.core.transcriber import transcribe
from endpoint.options import Options
from endpoint.types import Hypothesis, Window
from endpoint.wiring import build_pipeline

FOLDER = Path("build/languages")
SEED = 90_210  # not the seed of `make quality`
PAIRS = (("en", "de"), ("fr", "es"), ("es", "en"), ("de", "fr"), ("en", "fr"), ("de", "es"))


def record() -> list[Recording]:
    studio, rng = Studio(FOLDER, SEED), random.Random(5)
    for pair in PAIRS:
        studio.record("one change", None, [part for code in pair for part in studio.talk(code, 40)])
    for pair in PAIRS:
        turns = [studio.talk(pair[k % 2], rng.uniform(3, 20)) for k in range(8)]
        studio.record("turns", None, [part for turn in turns for part in turn])
    for pair in PAIRS:
        turns = [studio.talk(pair[k % 2], 1.5 if k % 2 else rng.uniform(12, 20)) for k in range(7)]
        studio.record("a phrase now and then", None, [part for turn in turns for part in turn])
    for pair in PAIRS[:3]:
        turns = [studio.talk(pair[k % 2], rng.uniform(8, 16), (0.0, 0.0)) for k in range(6)]
        studio.record("turns without a pause", None, [part for turn in turns for part in turn])
    return studio.made


async def measure(model: Path) -> Table:
    recordings = record()
    pipeline = build_pipeline(load_settings(model_id=str(model), cpu_kv_cache_gib=1))
    await pipeline.start()
    detect, probes = pipeline._engine.detect, list[Window]()

    async def counted(window: Window, options: Options) -> Hypothesis:
        probes.append(window)
        return await detect(window, options)

    table = Table(title="language=multi")
    for column in ("set", "words", "word error rate", "probes", "probes a window"):
        table.add_column(column)
    with patch.object(pipeline._engine, "detect", counted):
        for kind, group in groupby(recordings, key=lambda item: item.set):
            probes.clear()
            windows, results, items = 0, {}, list(group)
            for item in items:
                call = Call()
                found = await transcribe(pipeline, (FOLDER / item.name).read_bytes(), Options(multilingual=True), call)
                windows += call.record.counts[Counted.WINDOWS]
                results[item.name] = {"text": found.text, "seconds": 0.0}
            figures = scores.of_set(items, results)
            wer, each = f"{figures['wer']:.2%}", f"{len(probes) / windows:.1f}"
            table.add_row(kind, f"{figures['words']:.0f}", wer, str(len(probes)), each)
    await pipeline.close()
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=TEST_MODEL)
    Console(width=100).print(asyncio.run(measure(parser.parse_args().model)))
