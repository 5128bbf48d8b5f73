"""Recordings whose words are known: phrases of the test model's vocabulary, one after the other. Seeded.

The phrases were synthesized once (demo_model/phrases.py) and are in the package, so no synthesizer is needed.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from endpoint.bench.containers import CONTAINERS, decode
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, WINDOW_SECONDS, Samples

HERE = Path(__file__).parent
LANGUAGES = ("en", "fr", "de", "es")
SEED = 31_415

EDGE = 0.3  # seconds of quiet at both ends
PAUSES = (0.3, 1.2)  # seconds between phrases
LOUDNESS = (0.5, 0.9)  # share of the phrases' own amplitude
NOISE = (-4.5, -3.0)  # of full scale, as powers of ten


@dataclass(frozen=True)
class Workload:
    """count: different recordings, of `seconds` (least, most) each, sent in turn in the `containers`, in turn."""

    name: str
    seconds: tuple[float, float]
    count: int
    containers: tuple[str, ...] = ("wav",)


WORKLOADS = {
    "short": Workload("short", (2, 8), 64),
    "packed": Workload("packed", (25, 29.9), 64),
    "long": Workload("long", (600, 602), 4),
    "mixed": Workload("mixed", (2, 29.9), 60, tuple(CONTAINERS)),
}


@dataclass(frozen=True)
class Recording:
    """samples: int16 [n], 16 kHz mono. text: the reference text, None where it is not known."""

    language: str
    text: str | None
    samples: Samples

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def windows(self) -> int:
        """Windows of 30 s that it fills, at least one: a unit for comparing different systems."""
        return max(1, math.ceil(self.seconds / WINDOW_SECONDS))


@dataclass(frozen=True)
class Phrase:
    text: str
    samples: Samples


@cache
def _phrases() -> dict[str, tuple[Phrase, ...]]:
    sound = decode(HERE / "phrases.ogg")
    spoken: dict[str, list[Phrase]] = {language: [] for language in LANGUAGES}
    for row in json.loads((HERE / "phrases.json").read_text(encoding="utf-8")):
        spoken[row["language"]].append(Phrase(row["text"], sound[row["start"] : row["end"]]))
    return {language: tuple(phrases) for language, phrases in spoken.items()}


def make(workload: Workload, languages: Sequence[str] = LANGUAGES, seed: int = SEED) -> list[Recording]:
    """The workload's recordings, their languages in turn; the same for the same arguments."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)  # noqa: S311 - not a secret
    return [
        _record(language, rng.uniform(*workload.seconds), workload.seconds, rng, noise)
        for language in islice(cycle(languages), workload.count)
    ]


def _record(
    language: str, wanted: float, limits: tuple[float, float], rng: random.Random, noise: np.random.Generator
) -> Recording:
    """Phrases for about `wanted` seconds, with noise; the length is within `limits`."""
    parts: list[npt.NDArray[Any]] = [np.zeros(int(EDGE * SAMPLE_RATE))]
    texts, length = list[str](), 2 * EDGE
    for phrase in _in_any_order(language, rng):
        pause = rng.uniform(*PAUSES)
        seconds = len(phrase.samples) / SAMPLE_RATE
        if texts and length + seconds > wanted:
            break
        parts += [phrase.samples * rng.uniform(*LOUDNESS), np.zeros(int(pause * SAMPLE_RATE))]
        texts.append(phrase.text)
        length += seconds + pause
    sound = np.concatenate(parts)
    count = int(min(max(length, limits[0]), limits[1]) * SAMPLE_RATE)
    whole = noise.standard_normal(count) * PCM_FULL_SCALE * 10 ** rng.uniform(*NOISE)
    whole[: len(sound)] += sound[:count]
    samples = np.clip(whole, -PCM_FULL_SCALE, PCM_FULL_SCALE - 1).astype(np.int16)
    return Recording(language, " ".join(texts), samples)


def _in_any_order(language: str, rng: random.Random) -> Iterator[Phrase]:
    """All phrases of a language, then all of them in another order, and so on."""
    phrases = _phrases()[language]
    while True:
        yield from rng.sample(phrases, len(phrases))
