"""pyannote.audio's pipelines (the extra `pyannote`): community-1 from a folder, or from the hub with a token.

Its packages report usage to their makers unless PYANNOTE_METRICS_ENABLED is 0, which processes.py sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from endpoint.speakers.turns import Turn
from endpoint.speakers.worker.diarize import labelled
from endpoint.speakers.worker.frames import Samples
from endpoint.speakers.worker.timeline import Stretch
from endpoint.types import SAMPLE_RATE


class Unsupported(Exception):
    """What this backend cannot do."""


class Pyannote:
    """A pipeline, on the GPU where there is one."""

    def __init__(self, source: str) -> None:
        """source: a folder of one, or a name on the hub. Raises ModuleNotFoundError, and what loading raises."""
        import torch
        from pyannote.audio import Pipeline

        pipeline = Pipeline.from_pretrained(source)
        if pipeline is None:
            raise ValueError(f"{source} cannot be fetched: accept its terms on the hub, and set HF_TOKEN")
        self._pipeline: Any = pipeline.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    def diarize(
        self, blocks: Iterable[Samples], least: int | None, most: int | None, known: Sequence[tuple[str, Samples]]
    ) -> list[Turn]:
        """Turns by start; all of the recording is held in memory. Raises Unsupported for known speakers."""
        if known:
            raise Unsupported("known speakers are found by the built-in models only: the thresholds are theirs")
        import torch

        samples = np.concatenate([np.zeros(0, np.float32), *blocks])
        sound = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE}
        exact = least if least == most else None
        result = self._pipeline(sound, num_speakers=exact, min_speakers=least, max_speakers=most)
        annotation = getattr(result, "speaker_diarization", result)  # pipelines before 4 give it bare
        rows = {label: row for row, label in enumerate(annotation.labels())}
        found = [
            Stretch(segment.start, segment.end, rows[label])
            for segment, _, label in annotation.itertracks(yield_label=True)
            if segment.end > segment.start
        ]
        return labelled(sorted(found, key=lambda one: (one.start, one.end)), {})
