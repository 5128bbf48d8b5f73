"""The values of diarization, and the interface of what finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from endpoint.types import Audio


@dataclass(frozen=True)
class Turn:
    """A stretch of speech of one speaker. Turns of different speakers may overlap.

    start, end: seconds from the start of the recording; 0 <= start < end.
    speaker: "A", "B", ..., "Z", "AA", ... in order of first speech; or the name of a known speaker.
    """

    start: float
    end: float
    speaker: str


@dataclass(frozen=True)
class KnownSpeaker:
    """A voice that may be in the recording. audio: 2 to 10 s in which this speaker alone is to be recognized."""

    name: str
    audio: Audio


@dataclass(frozen=True)
class SpeakerOptions:
    """How many speakers there are, and which are known.

    num: exactly so many; None: not known. minimum, maximum: bounds where `num` is None; None: no bound.
    known: their names are to be given to the voices like theirs, each to one at most.
    All numbers are at least 1, and minimum <= maximum.
    """

    num: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    known: tuple[KnownSpeaker, ...] = ()


@dataclass(frozen=True)
class Diarization:
    """Who spoke when.

    turns: by start; empty where nobody speaks.
    asked: the number of speakers that was asked for, or the minimum; None where none was. Where the voices are too
        alike, `found` is less.
    """

    turns: tuple[Turn, ...]
    asked: int | None = None

    @property
    def found(self) -> int:
        """How many speakers have turns."""
        return len({turn.speaker for turn in self.turns})


class Diarizer(Protocol):
    """Finds the turns of speakers. Cancelling a call ends its work."""

    async def diarize(self, audio: Audio, options: SpeakerOptions) -> Diarization:
        """The turns in a recording of any length. Raises DiarizationFailed, DeadlineExceeded, Overloaded, Unavailable
        while closing; InvalidRequest for a known speaker in whose audio nobody speaks.
        """
        ...

    async def close(self) -> None:
        """End what runs. Calls under way raise Unavailable."""
