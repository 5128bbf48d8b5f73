"""Word errors. Both sides are made words: lower case, numbers in the clip's language, no punctuation; accents stay."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import jiwer
import numpy as np
from num2words import num2words

from benchmarks.human.clips import Clip

APART = ("fr", "it")  # an apostrophe parts words there
RESAMPLINGS = 2_000


def words(text: str, language: str) -> str:
    """3 or tres is a matter of taste, and so is ё."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("ё", "е")  # noqa: RUF001
    text = re.sub(r"\d+", lambda number: f" {num2words(int(number[0]), lang=language)} ", text)
    text = text.replace("'", " " if language in APART else "")
    return " ".join("".join(c if c.isalnum() else " " for c in text).split())


def errors(clips: Sequence[Clip], texts: Mapping[str, str]) -> np.ndarray:
    """[clips, 4]: words of the reference, substituted, deleted, inserted."""
    return np.array([_errors(clip, texts[clip.name]) for clip in clips]).reshape(-1, 4)


def _errors(clip: Clip, text: str) -> tuple[int, int, int, int]:
    """Where there are several languages: as words of the one that leaves fewest, numbers being written in one."""
    rows = []
    for language in clip.language.split("+"):
        out = jiwer.process_words(words(clip.text, language), words(text, language))
        spoken = out.hits + out.substitutions + out.deletions
        rows.append((spoken, out.substitutions, out.deletions, out.insertions))
    return min(rows, key=lambda row: sum(row[1:]))


def rate(counts: np.ndarray) -> float:
    """Word error rate in per cent."""
    total = counts.sum(axis=0)
    return 100.0 * float(total[1:].sum() / max(1, total[0]))


def difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """95 % interval of ours less theirs, in points, by resampling clips."""
    draws = np.random.default_rng(0).integers(0, len(ours), (RESAMPLINGS, len(ours)))
    found = [rate(ours[draw]) - rate(theirs[draw]) for draw in draws]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
