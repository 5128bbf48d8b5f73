"""What a gateway and an engine server send each other.

A request has a head, which is one line with a document of `Work`, and then the bytes of the recording as the client
sent them. The response has a line for each step as it comes: its kind, a space, and a document of `endpoint.codec`.
Its status is 200 whatever happens, as an error is a line too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from endpoint.admission import Urgency
from endpoint.call import Call, Counted, Priority, Record, Stage
from endpoint.caller import Caller
from endpoint.codec import encode
from endpoint.options import Options
from endpoint.types import EngineInfo

PREFIX = "/internal/v1"
INFO, SEGMENTS, DETECT = f"{PREFIX}/info", f"{PREFIX}/segments", f"{PREFIX}/detect"
TOKEN_HEADER = "x-engine-token"  # noqa: S105 - the name of a header
URGENCY_HEADER = "x-urgency"  # its label, for the permit, which is taken before the body is read
MEDIA_TYPE = "application/x-ndjson"
PING_SECONDS = 5.0  # between lines of a response, at most


class Kind(StrEnum):
    """Of a line. The last one of a response is TRANSCRIPT, LANGUAGES or ERROR."""

    PING = "ping"
    ADMITTED = "admitted"  # Admitted: the length of the recording is known
    PROGRESS = "progress"  # Progress
    WINDOW = "window"  # SavedWindow, for the checkpoint of the call
    MEASURED = "measured"  # Measured
    TRANSCRIPT = "transcript"  # Transcript
    LANGUAGES = "languages"  # Languages
    ERROR = "error"


@dataclass(frozen=True)
class Work:
    """A call and its options, as an engine server needs them.

    model: a name that the server lists. caller: id of who is charged; name: for logs. seconds: the time limit.
    found: windows of the checkpoint by their number; None where the call has no checkpoint. traceparent: as in Call.
    """

    model: str
    options: Options
    id: str
    caller: str
    name: str
    priority: Priority
    seconds: float | None
    urgency: Urgency
    found: dict[int, bytes] | None
    traceparent: str = ""

    @classmethod
    def of(cls, model: str, options: Options, call: Call, found: Mapping[int, bytes] | None) -> Work:
        return cls(
            model,
            options,
            call.id,
            call.caller.id,
            call.caller.name,
            call.priority,
            call.seconds,
            call.urgency,
            None if found is None else dict(found),
            call.traceparent,
        )

    def asked_by(self) -> Caller:
        """What the gateway has checked is not checked again: the caller has every scope and no limits."""
        return Caller(self.caller, self.name)


@dataclass(frozen=True)
class Admitted:
    """audio_seconds: length of the recording. passes: over its sound."""

    audio_seconds: float
    passes: int


@dataclass(frozen=True)
class SavedWindow:
    """What came of a window, as its checkpoint keeps it."""

    number: int
    data: bytes


@dataclass(frozen=True)
class Languages:
    """Probability of each language by its code, and the length of the recording."""

    probabilities: dict[str, float]
    duration_ms: int


@dataclass(frozen=True)
class Measured:
    """Seconds by stage, counts, and seconds by language, as in Record."""

    spent: dict[str, float]
    waited: dict[str, float]
    counts: dict[str, int] = field(default_factory=dict)
    languages: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record) -> Measured:
        spent, waited = ({k.value: v for k, v in of.items()} for of in (record.spent, record.waited))
        return cls(spent, waited, {k.value: v for k, v in record.counts.items()}, dict(record.languages))

    def add_to(self, record: Record) -> None:
        """Stages and counts that this version does not know are left out."""
        for stage in Stage:
            record.add(stage, spent=self.spent.get(stage, 0.0), waited=self.waited.get(stage, 0.0))
        record.counts.update({counted: self.counts.get(counted, 0) for counted in Counted})
        for language, seconds in self.languages.items():
            record.languages[language] = record.languages.get(language, 0.0) + seconds


@dataclass(frozen=True)
class Info:
    """What an engine server serves.

    models: by the names that clients may send. default: one of them. aliases: further names -> one of them.
    """

    models: dict[str, EngineInfo]
    default: str
    aliases: dict[str, str] = field(default_factory=dict)


def line(kind: Kind, document: bytes = b"{}") -> bytes:
    """document: JSON without a line break, as the codec makes it."""
    return b"%b %b\n" % (kind.encode(), document)


def head(work: Work) -> bytes:
    return encode(Work, work) + b"\n"
