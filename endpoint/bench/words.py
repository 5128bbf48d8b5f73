"""Word errors of a recognized text against its reference text."""

from __future__ import annotations

import numpy as np


def plain(text: str) -> list[str]:
    """Words in the form that is compared: without case and punctuation."""
    kept = "".join(c if c.isalnum() or c.isspace() else " " for c in text.casefold())
    return kept.split()


def errors(reference: str, recognized: str) -> tuple[int, int]:
    """(least number of words substituted, deleted and inserted; words of the reference)."""
    wanted, found = plain(reference), plain(recognized)
    numbers = {word: k for k, word in enumerate({*wanted, *found})}
    row = np.array([numbers[word] for word in found], np.int64)
    counts = np.arange(len(found) + 1)
    distance = counts.copy()  # from nothing to each beginning of `found`
    for word in wanted:
        deleted = distance + 1
        matched = distance[:-1] + (row != numbers[word])
        best = deleted
        best[1:] = np.minimum(best[1:], matched)
        distance = np.minimum.accumulate(best - counts) + counts  # insertions, from left to right
    return int(distance[-1]), len(wanted)
