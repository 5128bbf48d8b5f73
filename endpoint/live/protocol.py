"""What the wire protocols of live sessions have in common, for endpoint/live/runner.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from endpoint.errors import EndpointError
from endpoint.live.agreement import Stability
from endpoint.live.session import OpenTurn, Session, Turn
from endpoint.options import Options
from endpoint.types import Segment, Transcript, Word

Message = dict[str, Any]  # for the client, as JSON


@dataclass(frozen=True)
class TurnSettings:
    """How a turn is transcribed. model: a served name."""

    model: str
    options: Options
    stability: Stability


@dataclass(frozen=True)
class Work:
    """The turn is to be transcribed. final: it has ended; else it may be about to, and work may begin ahead.

    settings: as they were when the turn ended.
    """

    turn: Turn
    settings: TurnSettings
    final: bool


Output = Message | Work


class LiveProtocol(Protocol):
    """No I/O, no clock, no async. One thread at a time."""

    session: Session

    @property
    def done(self) -> bool:
        """Whether the client has sent everything, and waits for the end."""

    @property
    def settings(self) -> TurnSettings | None:
        """Of the open turn; None where nothing is transcribed."""

    def receive(self, message: str | bytes) -> list[Output]:
        """What follows from a client's message. Errors of the client are messages too."""
        ...

    def finish(self) -> list[Output]:
        """The client sends no more: the open turn ends."""
        ...

    def interim(self, turn: OpenTurn, new: Sequence[Word], unstable: Sequence[Word], until_ms: int) -> list[Message]:
        """Words of the open turn that were agreed on, those after them, and up to when nothing changes any more."""
        ...

    def settled(self, turn: Turn, segments: Sequence[Segment]) -> list[Message]:
        """Segments of a turn that ended; times from its start."""
        ...

    def completed(self, turn: Turn, transcript: Transcript, agreed: Sequence[Word]) -> list[Message]:
        """The transcript of a turn that ended, times from its start. agreed: the words that were sent before."""
        ...

    def failed(self, turn: Turn, error: EndpointError) -> list[Message]: ...

    def problem(self, error: EndpointError) -> list[Message]:
        """An error that concerns no turn."""
        ...
