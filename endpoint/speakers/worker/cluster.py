"""Pieces of speech to the speakers of the recording, in time and memory that do not grow with the square of its length.

One function, `find_speakers`, so that another way of clustering replaces it whole. Two steps. Average linkage ties
pieces together as long as no cluster can hold two people. Then the nearest clusters are merged by their mean voice
prints. Those get the more exact the more speech is in them, so how near they must be depends on the seconds
(docs/decisions/0027-who-spoke-when.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from endpoint.speakers.worker.frames import Prints
from endpoint.speakers.worker.listen import Found
from endpoint.speakers.worker.locals import Windows
from endpoint.speakers.worker.models import PRINT, unit

# Cosine distances, 0 to 2.
PURE = 0.40  # the average within a cluster of the first step
FINER = 0.30  # the same, where more speakers are asked for than those clusters give; below, one voice is split
NEAR, NEAR_SECONDS = 0.22, 0.5  # clusters of s seconds at least are one speaker up to NEAR + NEAR_SECONDS / s
RIVALS = 0.10  # added to the distance of pieces that windows give to different speakers, taken from that of the others

TRUSTED_SECONDS = 1.0  # shorter pieces are not clustered, only given to a speaker
SMALLEST_SHARE, SMALLEST_SECONDS = 0.01, (1.0, 10.0)  # speakers with less of the speech, from and up to so many seconds
MOST_PIECES = 2_000  # more are thinned out: the first step takes 20 * n² bytes

Distances = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bounds:
    """How many speakers there may be."""

    least: int = 1
    most: int = 1_000


def find_speakers(found: Found, windows: Windows, bounds: Bounds) -> Prints:
    """A voice print of each speaker, those with the most speech first: float32 [speakers, PRINT] of length 1.

    Their number is within the bounds if the voices allow it, else as near as can be. [0, PRINT] where nobody speaks;
    one row of zeros where there is speech but no voice print.
    """
    lengths = np.array([piece.seconds for piece in found.pieces])
    if not len(lengths):
        return np.zeros((int(any(active.any() for active in found.windows)), PRINT), np.float32)
    chosen = np.flatnonzero(lengths >= min(TRUSTED_SECONDS, lengths.max()))
    every = -(-len(chosen) // MOST_PIECES)
    chosen = chosen[::every]
    prints, seconds = np.stack([found.pieces[index].voice for index in chosen]), lengths[chosen] * every
    if len(chosen) == 1:
        return prints
    tree = linkage(_distances(prints, chosen, windows)[np.triu_indices(len(chosen), 1)], "average")
    speakers = _choose(_merges(prints, seconds, fcluster(tree, PURE, "distance") - 1), bounds)
    if len(speakers) < bounds.least:
        speakers = _choose(_merges(prints, seconds, fcluster(tree, FINER, "distance") - 1), bounds)
    return speakers


def _distances(prints: Prints, chosen: npt.NDArray[np.int64], windows: Windows) -> Distances:
    """float32 [n, n]: cosine distance, corrected by what the windows show of who speaks beside whom."""
    row_of = {int(piece): row for row, piece in enumerate(chosen)}
    distances = (1 - prints @ prints.T).astype(np.float32)
    balance, seen = (np.zeros(distances.shape, np.int16) for _ in range(2))
    for speakers in windows:
        groups = [[row_of[part.piece] for part in parts if part.piece in row_of] for parts in speakers]
        everyone = [row for group in groups for row in group]
        balance[np.ix_(everyone, everyone)] += 1
        seen[np.ix_(everyone, everyone)] += 1
        for group in groups:
            balance[np.ix_(group, group)] -= 2
    distances += RIVALS * (balance / np.maximum(seen, 2)).astype(np.float32)
    np.fill_diagonal(distances, 0)
    return np.maximum(distances, 0)


@dataclass(frozen=True)
class _State:
    """Clusters at one step. apart: by how much the merge before it went beyond what one speaker's clusters are."""

    apart: float
    sums: npt.NDArray[np.float64]  # [clusters, PRINT], voice prints times seconds
    seconds: npt.NDArray[np.float64]  # [clusters]

    def speakers(self) -> Prints:
        """Clusters that are large enough, the largest first; one at least."""
        smallest = min(np.clip(SMALLEST_SHARE * self.seconds.sum(), *SMALLEST_SECONDS), self.seconds.max())
        order = np.argsort(-self.seconds, kind="stable")
        return unit(self.sums[order[self.seconds[order] >= smallest]].astype(np.float32))


def _merges(prints: Prints, seconds: npt.NDArray[np.float64], names: npt.NDArray[np.int64]) -> list[_State]:
    """From the clusters `names` [n] on, the nearest two merged at a time, until there is one."""
    lengths: npt.NDArray[np.float64] = np.bincount(names, seconds).astype(np.float64)
    sums = np.zeros((len(lengths), PRINT))
    np.add.at(sums, names, seconds[:, None] * prints)
    states = [_State(-np.inf, sums, lengths)]
    while len(lengths) > 1:
        means = unit(sums.astype(np.float32))
        near = NEAR + NEAR_SECONDS / np.minimum(lengths[:, None], lengths)
        apart = 1 - means @ means.T - near
        np.fill_diagonal(apart, np.inf)
        one, other = np.unravel_index(apart.argmin(), apart.shape)
        sums, lengths = sums.copy(), lengths.copy()
        sums[one] += sums[other]
        lengths[one] += lengths[other]
        sums, lengths = np.delete(sums, other, 0), np.delete(lengths, other)
        states.append(_State(float(apart[one, other]), sums, lengths))
    return states


def _choose(states: list[_State], bounds: Bounds) -> Prints:
    """Merged as far as clusters are of one speaker; or the state nearest to that whose number is within the bounds."""
    natural = max(number for number, state in enumerate(states) if state.apart < 0)
    found = states[natural].speakers()
    if bounds.least <= len(found) <= bounds.most:
        return found
    order = sorted(range(len(states)), key=lambda number: abs(number - natural))
    every = (states[number].speakers() for number in order)
    return min(every, key=lambda some: max(bounds.least - len(some), len(some) - bounds.most))[: bounds.most]
