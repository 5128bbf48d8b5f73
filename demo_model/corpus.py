"""A corpus of random phrases, synthesised once and kept as plain arrays that processes can map."""

from __future__ import annotations

import json
import multiprocessing
import random
from pathlib import Path

import numpy as np

from demo_model.speech import SAMPLE_RATE, Speaker, Utterance
from demo_model.vocabulary import (
    LANGUAGES,
    PITCH_PERCENT,
    SPEED_WORDS_PER_MINUTE,
    random_phrase,
    random_voice,
)

_LANGUAGE_WEIGHTS = (3, 2, 2, 2)
_PART = 500  # phrases per work item


def _make_part(job: tuple[int, int, bool]) -> list[Utterance]:
    seed, count, known = job
    rng, speaker, made = random.Random(seed), Speaker(), []
    while len(made) < count:
        language = rng.choices(LANGUAGES, _LANGUAGE_WEIGHTS)[0]
        utterance = speaker.say(
            language,
            random_phrase(rng, language),
            random_voice(rng, language, known=known),
            rng.randint(*SPEED_WORDS_PER_MINUTE),
            rng.randint(*PITCH_PERCENT),
        )
        if utterance is not None:
            made.append(utterance)
    return made


def build(folder: Path, count: int, *, seed: int, known: bool = True, processes: int = 2) -> None:
    """Write `count` phrases to `folder` (samples.npy int16, phrases.json). Does nothing if it is there."""
    if (folder / "phrases.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(seed * 100_003 + k, min(_PART, count - k * _PART), known) for k in range(-(-count // _PART))]
    parts: list[list[Utterance]] = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for part in pool.imap(_make_part, jobs):
            parts.append(part)
            print(f"corpus: {sum(map(len, parts)):,} of {count:,} phrases", flush=True)
    utterances = [u for part in parts for u in part]
    offsets = np.cumsum([0] + [len(u.samples) for u in utterances])
    samples = np.lib.format.open_memmap(folder / "samples.npy", "w+", np.int16, (int(offsets[-1]),))
    for u, start in zip(utterances, offsets, strict=False):
        samples[start : start + len(u.samples)] = u.samples
    samples.flush()
    rows = [
        {"language": u.language, "words": u.words, "starts": u.starts, "at": int(at), "length": len(u.samples)}
        for u, at in zip(utterances, offsets, strict=False)
    ]
    (folder / "phrases.json").write_text(json.dumps(rows))
    print(f"corpus: {offsets[-1] / SAMPLE_RATE / 3600:.1f} hours in {folder}", flush=True)


def load(folder: Path) -> dict[str, list[Utterance]]:
    """Phrases by language; samples are views of one mapped file."""
    samples = np.load(folder / "samples.npy", mmap_mode="r")
    phrases: dict[str, list[Utterance]] = {code: [] for code in LANGUAGES}
    for row in json.loads((folder / "phrases.json").read_text()):
        view = samples[row["at"] : row["at"] + row["length"]]
        phrases[row["language"]].append(Utterance(row["language"], tuple(row["words"]), view, tuple(row["starts"])))
    return phrases
