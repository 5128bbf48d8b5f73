"""Who asks: a key, or anonymous; what it may do, and how much. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

ANONYMOUS_ID = "anonymous"


class Scope(StrEnum):
    """What a key may do. Every route that needs a key needs one of these."""

    TRANSCRIBE = "transcribe"  # transcriptions, translations, language detection, models, usage
    JOBS = "jobs"
    REALTIME = "realtime"  # live sockets
    ADMIN = "admin"  # keys, everybody's jobs and usage


@dataclass(frozen=True)
class Limits:
    """How much a caller may ask of one model. None: no limit.

    audio_seconds: of the recordings sent. upload_mb: MiB of one request. live_sessions: open at once.
    """

    requests_per_minute: int | None = None
    audio_seconds_per_minute: int | None = None
    audio_seconds_per_month: int | None = None
    requests_in_flight: int | None = None
    live_sessions: int | None = None
    upload_mb: int | None = None


@dataclass(frozen=True)
class Caller:
    """A caller. id: of its key, by which it is charged and owns jobs. name: for people, in logs.

    models: served names that it may use; None: all. limits: its own; those of the settings apply where it has none.
    sampling: it consents that recordings are kept, to measure the accuracy.
    """

    id: str = ANONYMOUS_ID
    name: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    models: frozenset[str] | None = None
    limits: Limits = field(default_factory=Limits)
    sampling: bool = False


ANONYMOUS = Caller()
