"""What `coverage` warns of: python -m benchmarks.coverage   (minutes; needs espeak-ng)

Recordings without a word (silence, noise, tones like music), and talks in noise, down to where no model follows.
Prints, of each, the seconds that voice activity takes for speech, those in text, and those reported without text:
by voice activity alone, and as both it and the model judge it.
"""

from __future__ import annotations

import argparse
import asyncio
import wave
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.quality import scores
from benchmarks.quality.recordings import Recording, Studio
from endpoint.config import TEST_MODEL, load_settings
from endpoint.core import pipeline as core
from endpoint.core.transcriber import transcribe
from endpoint.options import Options
from endpoint.text.coverage import account
from endpoint.types import SAMPLE_RATE, Hypothesis, Span, Transcript
from endpoint.wiring import build_pipeline

FOLDER = Path("build/coverage")
SEED = 27_182  # not the seed of `make quality`
RATIOS = (10, 5, 0, -5, -10, -15)  # decibels that the speech is over white noise
LANGUAGES = ("en", "fr", "de", "es")


def record() -> list[Recording]:
    studio, noise = Studio(FOLDER, SEED), np.random.default_rng(SEED)
    for _ in range(60):
        studio.record("nothing", None, [("", studio.interruption(studio._rng.uniform(3, 40)), 0.0)])
    for ratio in RATIOS:
        for code in LANGUAGES:
            studio.record(f"{ratio} dB", code, studio.talk(code, 12))
            _drown(FOLDER / studio.made[-1].name, ratio, noise)
    return studio.made


def _drown(path: Path, ratio: int, noise: np.random.Generator) -> None:
    with wave.open(str(path)) as file:
        parameters, speech = file.getparams(), np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    mixed = speech + noise.standard_normal(len(speech)) * speech.std() * 10 ** (-ratio / 20)
    with wave.open(str(path), "wb") as file:
        file.setparams(parameters)
        file.writeframes((mixed * (0.7 * 32767 / abs(mixed).max())).astype("<i2").tobytes())


def seconds(transcript: Transcript) -> float:
    """Speech reported without text."""
    return sum(end - start for start, end in transcript.uncovered) / 1000


async def measure(model: Path) -> Table:
    recordings = record()
    pipeline = build_pipeline(load_settings(model_id=str(model), cpu_kv_cache_gib=1))
    await pipeline.start()
    spoken, alone = list[float](), list[float]()

    def both(
        transcript: Transcript, speech: Sequence[Span], sure: Sequence[Span], hypotheses: Sequence[Hypothesis]
    ) -> Transcript:
        spoken.append(sum(span.end - span.start for span in speech) / SAMPLE_RATE)
        alone.append(seconds(account(transcript, speech, sure, [])))
        return account(transcript, speech, sure, hypotheses)

    table = Table(title="seconds")
    for column in ("set", "files", "speech found", "without text", "reported", "files warned of", "word error rate"):
        table.add_column(column)
    with patch.object(core, "account", both):
        for kind, group in groupby(recordings, key=lambda item: item.set):
            items, found = list(group), {}
            spoken.clear()
            alone.clear()
            for item in items:
                data = (FOLDER / item.name).read_bytes()
                found[item.name] = await transcribe(pipeline, data, Options(language=item.label))
            lost = [seconds(transcript) for transcript in found.values()]
            figures = scores.of_set(items, {name: {"text": t.text, "seconds": 0.0} for name, t in found.items()})
            wer = f"{figures['wer']:.1%}" if "wer" in figures else f"{figures['made_up']:.0f} words"
            cells = (sum(spoken), sum(alone), sum(lost))
            table.add_row(kind, str(len(items)), *(f"{x:.1f}" for x in cells), str(np.count_nonzero(lost)), wer)
    await pipeline.close()
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=TEST_MODEL)
    Console(width=120).print(asyncio.run(measure(parser.parse_args().model)))
