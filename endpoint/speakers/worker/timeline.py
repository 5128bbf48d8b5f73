"""Windows and speakers to stretches of speech: what the windows over each frame agree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from endpoint.speakers.worker.frames import FIELD, FRAMES, HOP, Flags, Prints
from endpoint.speakers.worker.listen import STEP, Found, Piece
from endpoint.speakers.worker.locals import Part, Windows
from endpoint.types import SAMPLE_RATE

LONGEST_GAP = 0.3  # seconds: pauses of one speaker that are filled
SHORTEST_TURN = 0.1  # seconds: shorter ones are dropped
SHARED_SECONDS = 1.0  # how much the voice of a speaker of a window weighs beside that of one piece of it
NOBODY = -1
_TAKEN = 1e6  # more than any likeness

Names = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stretch:
    """Speech of one speaker, given by its row; seconds."""

    start: float
    end: float
    speaker: int


def stretches(found: Found, windows: Windows, speakers: Prints) -> list[Stretch]:
    """By start, then end. In each frame as many speak as the windows count on average: those that most name."""
    frames = max(len(found.windows) - 1, 0) * STEP + FRAMES
    votes, seen = np.zeros((frames, len(speakers)), np.uint8), np.zeros(frames, np.uint8)
    for number, active in enumerate(found.windows):
        here = slice(number * STEP, number * STEP + FRAMES)
        names = _names(active, windows[number], found.pieces, speakers)
        for speaker in np.unique(names[names != NOBODY]):
            votes[here, speaker] += (names == speaker).any(axis=0)
        seen[here] += 1
    speaking = _most_named(votes, np.rint(votes.sum(axis=1) / np.maximum(seen, 1)))
    made = [one for speaker in range(len(speakers)) for one in _joined(speaking[:, speaker], speaker)]
    return sorted(made, key=lambda one: (one.start, one.end))


def _names(active: Flags, window: Sequence[Sequence[Part]], pieces: Sequence[Piece], speakers: Prints) -> Names:
    """The speaker of the recording that each one of a window is in each frame: [LOCAL, FRAMES], NOBODY where silent.

    Each piece is named by its own voice, and a little by that of the window's speaker it belongs to; what speaks at
    the same time gets different names, whoever speaks longest first.
    """
    names = np.full(active.shape, NOBODY, np.int64)
    lengths = [sum(pieces[part.piece].seconds for part in parts) for parts in window]
    for local in sorted(range(len(window)), key=lambda local: -lengths[local]):
        owner, likeness = _likeness(window[local], pieces, speakers)
        for number in np.unique(owner[active[local]]):
            own = active[local] & (owner == number)
            scores = likeness[number].copy()
            others = np.unique(names[:, own])
            scores[others[others != NOBODY]] -= _TAKEN  # only where nobody else is left
            names[local, own] = scores.argmax()
    return names


def _likeness(
    parts: Sequence[Part], pieces: Sequence[Piece], speakers: Prints
) -> tuple[Names, npt.NDArray[np.float64]]:
    """The part that each frame is of or nearest to: [FRAMES]; how like each part is to the speakers: [parts, speakers].

    One part without any voice where there are none.
    """
    if not parts:
        return np.zeros(FRAMES, np.int64), np.zeros((1, len(speakers)))
    seconds = np.array([[pieces[part.piece].seconds] for part in parts])
    each = np.stack([pieces[part.piece].voice for part in parts]) @ speakers.T
    together = (seconds * each).sum(axis=0) / seconds.sum()
    return _nearest([part.frames for part in parts]), seconds * each + SHARED_SECONDS * together


def _nearest(parts: Sequence[npt.NDArray[np.int64]]) -> Names:
    frames = np.concatenate(parts)
    order = np.argsort(frames, kind="stable")
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])[order]
    edges, every = frames[order], np.arange(FRAMES)
    after = np.searchsorted(edges, every).clip(0, len(edges) - 1)
    before = (after - 1).clip(0)
    nearest: Names = owner[np.where(np.abs(edges[before] - every) < np.abs(edges[after] - every), before, after)]
    return nearest


def _most_named(votes: npt.NDArray[np.uint8], counts: npt.NDArray[np.float64]) -> Flags:
    """votes: [frames, speakers], used up. counts: [frames]."""
    speaking = np.zeros(votes.shape, np.bool_)
    for rank in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > rank)
        best = votes[rows].argmax(axis=1)
        speaking[rows, best] |= votes[rows, best] > 0
        votes[rows, best] = 0
    return speaking


def _joined(speaking: Flags, speaker: int) -> Iterator[Stretch]:
    edges = np.flatnonzero(np.diff(speaking, prepend=False, append=False)).reshape(-1, 2)
    if not len(edges):
        return
    starts, ends = ((edges * HOP + (FIELD - HOP) / 2) / SAMPLE_RATE).T
    apart = np.flatnonzero(starts[1:] - ends[:-1] > LONGEST_GAP)
    for first, last in zip([0, *(apart + 1)], [*apart, len(starts) - 1], strict=True):
        if ends[last] - starts[first] >= SHORTEST_TURN:
            yield Stretch(float(starts[first]), float(ends[last]), speaker)
