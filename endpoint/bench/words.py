"""Word errors: how far what was heard is from what was said."""

from __future__ import annotations

import numpy as np


def plain(text: str) -> list[str]:
    """Words as they are compared: without case and punctuation."""
    kept = "".join(c if c.isalnum() or c.isspace() else " " for c in text.casefold())
    return kept.split()


def errors(said: str, heard: str) -> tuple[int, int]:
    """(words substituted, deleted and inserted at the least, words said)."""
    reference, found = plain(said), plain(heard)
    numbers = {word: k for k, word in enumerate({*reference, *found})}
    row = np.array([numbers[word] for word in found], np.int64)
    places = np.arange(len(found) + 1)
    distance = places.copy()  # from nothing to each beginning of `found`
    for word in reference:
        deleted = distance + 1
        matched = distance[:-1] + (row != numbers[word])
        best = deleted
        best[1:] = np.minimum(best[1:], matched)
        distance = np.minimum.accumulate(best - places) + places  # insertions, from left to right
    return int(distance[-1]), len(reference)
