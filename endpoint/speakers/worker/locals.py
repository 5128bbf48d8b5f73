"""Which pieces are of which speaker of a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endpoint.speakers.worker.frames import FRAMES
from endpoint.speakers.worker.listen import STEP, Found, Frames

OWN_SHARE = 0.5  # of a piece's frames: where a speaker of a window speaks alone in so many, the piece is theirs


@dataclass(frozen=True)
class Part:
    """A piece within a window. piece: its index. frames: those of the window that it has, int64 [n]."""

    piece: int
    frames: Frames


Windows = list[list[list[Part]]]  # for each window, for each of its speakers, in the order of `Found`


def parts(found: Found) -> Windows:
    starts = np.array([piece.frames[0] for piece in found.pieces], np.int64)
    order = np.argsort(starts, kind="stable")
    edges = np.searchsorted(starts[order], [(k * STEP - FRAMES, k * STEP + FRAMES) for k in range(len(found.windows))])
    made: Windows = []
    for number, active in enumerate(found.windows):
        alone = active & (active.sum(axis=0) == 1)
        rows: list[list[Part]] = [[] for _ in active]
        for index in order[slice(*edges[number])]:
            frames = found.pieces[index].frames
            own = frames[(frames >= number * STEP) & (frames < number * STEP + FRAMES)] - number * STEP
            common = alone[:, own].sum(axis=1)
            speaker = int(common.argmax())
            if len(own) and common[speaker] >= OWN_SHARE * len(frames):
                rows[speaker].append(Part(int(index), own))
        made.append(rows)
    return made
