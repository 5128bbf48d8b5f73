"""Word times against phrases whose edges are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.human.laid import Timed

REACH = 0.5  # seconds around a phrase in which its words are looked for: half the shortest pause


def edge_errors(clips: Sequence[Timed], results: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Seconds between each phrase's edges and those of its first and last word; a phrase without words counts 1 s."""
    errors = []
    for clip in clips:
        words = results[clip.name]["words"]
        for start, end in clip.phrases:
            own = [w for w in words if start - REACH <= (w["start"] + w["end"]) / 2 <= end + REACH]
            errors += [abs(own[0]["start"] - start), abs(own[-1]["end"] - end)] if own else [1.0, 1.0]
    return errors


def line(errors: Sequence[float]) -> str:
    low, high = np.percentile(errors, [50, 95])
    near = np.mean(np.array(errors) <= 0.2)
    return f"median {1000 * low:.0f} ms, 95 % {1000 * high:.0f} ms, within 200 ms {near:.1%}, edges {len(errors)}"


def median(errors: Sequence[float]) -> float:
    """Milliseconds."""
    return 1000 * float(np.median(errors))
