"""Samples to turns: the stages of the built-in diarization in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from endpoint.speakers.turns import Turn
from endpoint.speakers.worker.cluster import Bounds, find_speakers
from endpoint.speakers.worker.frames import Prints, Samples
from endpoint.speakers.worker.listen import Found, Listener
from endpoint.speakers.worker.locals import parts
from endpoint.speakers.worker.models import Models
from endpoint.speakers.worker.timeline import Stretch, stretches

SAME_VOICE = 0.74  # cosine from which a speaker is a known one; over telephones others come close to it


class NobodySpeaks(Exception):
    """In the audio of the known speaker of this name."""


class BuiltIn:
    """Segmentation and voice prints on onnxruntime."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def diarize(
        self, blocks: Iterable[Samples], least: int | None, most: int | None, known: Sequence[tuple[str, Samples]]
    ) -> list[Turn]:
        """Turns by start. blocks: float32 [n] each, 16 kHz, -1..1. known: names, and sound of their voices.

        least, most: how many speakers there may be. Raises NobodySpeaks.
        """
        bounds = Bounds(least or Bounds.least, most or Bounds.most)
        references = [(name, self._reference(name, sound)) for name, sound in known]
        found = self._found(blocks)
        windows = parts(found)
        speakers = find_speakers(found, windows, bounds)
        return labelled(stretches(found, windows, speakers), named(speakers, references))

    def _found(self, blocks: Iterable[Samples]) -> Found:
        listener = Listener(self._models)
        for block in blocks:
            listener.feed(block)
        return listener.flush()

    def _reference(self, name: str, sound: Samples) -> Prints:
        """The main voice: float32 [PRINT]."""
        found = self._found([sound])
        speakers = find_speakers(found, parts(found), Bounds())
        if not speakers.any():
            raise NobodySpeaks(name)
        main: Prints = speakers[0]
        return main


def named(speakers: Prints, references: Sequence[tuple[str, Prints]]) -> dict[int, str]:
    """Rows of `speakers` that sound like a known one, to their names; one to one, most alike in all."""
    if not references or not len(speakers):
        return {}
    likeness = speakers @ np.stack([voice for _, voice in references]).T
    rows, columns = linear_sum_assignment(likeness, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: references[column][0] for row, column in pairs if likeness[row, column] >= SAME_VOICE}


def labelled(found: Sequence[Stretch], names: dict[int, str]) -> list[Turn]:
    """Turns with names, and letters for the others in order of first speech."""
    free = (label for number in range(len(found) + len(names)) if (label := letters(number)) not in names.values())
    labels = dict(names)
    for one in found:
        if one.speaker not in labels:
            labels[one.speaker] = next(free)
    return [Turn(one.start, one.end, labels[one.speaker]) for one in found]


def letters(number: int) -> str:
    """0: A, 25: Z, 26: AA, as columns of a table."""
    label = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        label = chr(ord("A") + rest) + label
    return label
