"""Diarization error rates by pyannote.metrics, words with the right speaker, and intervals by resampling recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

from benchmarks.speakers.recordings import Recording, words
from endpoint.speakers.turns import Turn
from endpoint.speakers.words import label_words

PARTS = ("missed detection", "false alarm", "confusion")
RESAMPLINGS = 2_000


def errors(recording: Recording, turns: Sequence[Turn], collar: float) -> np.ndarray:
    """[4], seconds: of speech, missed, false, confused. collar: seconds on each side of a change; overlap counts."""
    metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=False)
    found = metric(_annotation(recording.truth), _annotation(turns), uem=Segment(0, recording.seconds), detailed=True)
    return np.array([found["total"], *(found[part] for part in PARTS)])


def rate(rows: np.ndarray) -> float:
    """[n, 4] -> per cent."""
    total = rows.sum(axis=0)
    return 100 * float(total[1:].sum() / max(total[0], 1e-9))


def interval(rows: np.ndarray, others: np.ndarray | None = None) -> tuple[float, float]:
    """95 % of resamplings of the recordings: of the rate, or of its difference to `others`."""
    draws = np.random.default_rng(0).integers(0, len(rows), (RESAMPLINGS, len(rows)))
    found = [rate(rows[draw]) - (rate(others[draw]) if others is not None else 0) for draw in draws]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def right_words(recording: Recording, turns: Sequence[Turn]) -> tuple[int, int]:
    """Words of the right speaker, and all; speakers of `turns` stand for those they share most speech with, 1 to 1."""
    mapping: Mapping[str, str] = DiarizationErrorRate().optimal_mapping(
        _annotation(recording.truth), _annotation(turns)
    )
    spoken = words(recording)
    labels = label_words(spoken, turns)
    return sum(mapping.get(label or "") == word.speaker for word, label in zip(spoken, labels, strict=True)), len(
        spoken
    )


def _annotation(turns: Sequence[Turn]) -> Annotation:
    made = Annotation()
    for number, turn in enumerate(turns):
        made[Segment(turn.start, turn.end), number] = turn.speaker
    return made
