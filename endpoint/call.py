"""The context of one request: its caller, limits and measurements. Made at the entry point, passed through the core."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from endpoint.admission import Permit, Urgency
from endpoint.caller import ANONYMOUS, Caller
from endpoint.errors import DeadlineExceeded


class Stage(StrEnum):
    """The stages of a request, in their order."""

    RECEIVE = "receive"  # the body, or the file of a URL
    DECODE = "decode"  # bytes to samples
    VAD = "vad"  # voice activity detection
    QUEUE = "queue"  # windows waiting for a slot in the engine
    ENGINE = "encode+decode"
    ALIGN = "align"  # times of words
    SPEAKERS = "speakers"  # who speaks when, and which channel is an echo of another
    ASSEMBLE = "assemble"  # hypotheses to a transcript
    POSTPROCESS = "postprocess"  # a language model, on another server
    FORMAT = "format"  # a transcript to bytes


class Counted(StrEnum):
    """What is counted while recordings are transcribed."""

    WINDOWS = "windows"
    FALLBACKS = "fallbacks"  # hypotheses of a higher temperature than asked for
    CONTINUATIONS = "continuations"  # hypotheses of the rest of a window
    UNCOVERED_MS = "uncovered_ms"  # speech that got no text


class Priority(IntEnum):
    """Lower numbers go first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Record:
    """Seconds by stage: spent working, and spent waiting. Times of concurrent windows are added.

    model: as served. audio_seconds: of all recordings of the request. languages: seconds of the recordings that were
    transcribed, by their language. counts: of `Counted`, over these recordings. ends: of each stage, when it first
    began and when it last ended, in seconds since 1970. language_tokens: of language models, prompts included.
    """

    def __init__(self) -> None:
        self.spent: dict[Stage, float] = {}
        self.waited: dict[Stage, float] = {}
        self.ends: dict[Stage, tuple[float, float]] = {}
        self.model = ""
        self.audio_seconds = 0.0
        self.languages: dict[str, float] = {}
        self.counts: Counter[Counted] = Counter()
        self.language_tokens = 0

    def add(self, stage: Stage, *, spent: float = 0.0, waited: float = 0.0) -> None:
        """Of work or waiting that ends now."""
        for seconds, totals in ((spent, self.spent), (waited, self.waited)):
            if seconds > 0:
                totals[stage] = totals.get(stage, 0.0) + seconds
                now = time.time()
                began, _ = self.ends.get(stage, (now - seconds, now))
                self.ends[stage] = min(began, now - seconds), now

    @contextmanager
    def spending(self, stage: Stage) -> Iterator[None]:
        """Count the time of the block as work of `stage`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, spent=time.perf_counter() - began)

    @contextmanager
    def waiting(self, stage: Stage) -> Iterator[None]:
        """Count the time of the block as waiting in `stage`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, waited=time.perf_counter() - began)

    def milliseconds(self) -> Mapping[str, int]:
        """For a log line: milliseconds of work as `<stage>`, of waiting as `<stage>_wait`."""
        spent = {stage.value: round(self.spent[stage] * 1000) for stage in Stage if stage in self.spent}
        waited = {f"{stage.value}_wait": round(self.waited[stage] * 1000) for stage in Stage if stage in self.waited}
        return spent | waited


class Checkpoint(Protocol):
    """What is kept of one recording, so that it goes on where it was. found: by number of the window, from before."""

    @property
    def found(self) -> Mapping[int, bytes]: ...

    async def save(self, window: int, data: bytes) -> None:
        """Keep what came of a window."""


class Charge(Protocol):
    """What a request is charged by the limits of its caller."""

    async def take(self, audio_ms: int) -> None:
        """Reserve the audio of a recording. Raises RateLimited, QuotaExceeded, StoreUnavailable."""


@dataclass(frozen=True)
class Call:
    """One request, job, live turn or command.

    id: in logs and in `x-request-id`. caller: who sent the request. seconds: its time limit; None: no limit.
    permit: the admitted work it holds; None where no limit of concurrent work applies.
    charge: what its caller is charged; None where no limit of a caller applies.
    record: its measurements. urgency: what it gives way to, and what gives way to it.
    checkpoint: what was decoded of its recording before. traceparent: of W3C's Trace Context, of what this is a part;
    empty: of nothing. began: when it did, by the monotonic clock.
    """

    id: str = field(default_factory=lambda: f"req_{uuid.uuid4().hex}")
    caller: Caller = ANONYMOUS
    priority: Priority = Priority.NORMAL
    seconds: float | None = None
    permit: Permit | None = None
    charge: Charge | None = None
    record: Record = field(default_factory=Record)
    urgency: Urgency = Urgency.REQUEST
    checkpoint: Checkpoint | None = None
    traceparent: str = ""
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """Of its time limit; infinite without one."""
        return math.inf if self.seconds is None else max(0.0, self.began + self.seconds - time.monotonic())

    @property
    def background(self) -> bool:
        """Whether it gives way to all others, as jobs do."""
        return self.urgency is Urgency.JOB

    @property
    def kind(self) -> str:
        """Its class in metrics, traces and samples."""
        return self.urgency.label

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Cancel the block after `seconds`, and raise DeadlineExceeded."""
        limit = asyncio.timeout(self.seconds)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"The request took longer than {self.seconds:g} s.") from error

    async def admit(self, audio_seconds: float, passes: int = 1) -> None:
        """Add the work of a recording, once its length is known. passes: over its sound.

        Raises Overloaded, and what the charge raises.
        """
        self.record.audio_seconds += audio_seconds
        if self.permit is not None:
            self.permit.add(audio_seconds, passes)
        if self.charge is not None:
            await self.charge.take(round(audio_seconds * 1000))
