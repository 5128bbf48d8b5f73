"""Who speaks in a transcript: speakers and their turns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpeakerTurn:
    """A stretch in which one speaks, in milliseconds of the file. Those of different speakers may overlap."""

    start_ms: int
    end_ms: int
    speaker: str


@dataclass(frozen=True)
class Speakers:
    """Who speaks in a file. turns: by their start. asked: how many speakers were asked for, at least; None: any number.

    Speakers are `A`, `B` and so on in the order of their first speech, the names of known ones, or `channel_0`,
    `channel_1` and so on.
    """

    turns: tuple[SpeakerTurn, ...]
    asked: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of their first speech."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))
