"""Gauges are set every few seconds, so that no request for the metrics touches the store or an engine."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from endpoint.errors import EndpointError
from endpoint.observe import metrics
from endpoint.observe.metrics import JOB, Grown
from endpoint.types import EngineLoad

SECONDS = 5.0

log = structlog.get_logger(__name__)


class Loads(Protocol):
    """The models of a server."""

    async def loads(self) -> Mapping[str, EngineLoad]: ...


@dataclass(frozen=True)
class Backlog:
    """queued, running: jobs. queued_ms: audio of those queued. webhooks: that are not delivered.

    oldest: when the oldest job was submitted, in seconds since 1970, by its status.
    """

    queued: int
    running: int
    queued_ms: int
    webhooks: int
    oldest: Mapping[str, float]


class Store(Protocol):
    """The jobs of a server."""

    async def backlog(self) -> Backlog: ...


class Watch:
    """models: of this process. jobs: if there are any. admitted: seconds of audio under way in all processes, by class.

    live: sessions that are open in this process. first: whether this process counts for all of them what they share.
    """

    def __init__(
        self,
        models: Loads,
        jobs: Store | None,
        admitted: Callable[[], Mapping[str, float]],
        live: Callable[[], int] = lambda: 0,
        *,
        first: bool = True,
    ) -> None:
        self._live = live
        self._models, self._store, self._admitted, self._first = models, jobs, admitted, first
        self._steps: defaultdict[str, tuple[Grown, Grown]] = defaultdict(lambda: (Grown(), Grown()))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(SECONDS)

    async def look(self) -> None:
        """Set the gauges once. What cannot be reached is left as it was."""
        for part in (self._engines, self._jobs) if self._first else (self._engines,):
            try:
                await part()
            except EndpointError as error:
                log.debug("not measured", what=part.__name__, why=error.code)
        metrics.LIVE.set(self._live())
        if self._first:
            for kind, seconds in self._admitted().items():
                metrics.QUEUE.labels(kind).set(seconds)

    async def _engines(self) -> None:
        for model, load in (await self._models.loads()).items():
            for kind, decoding in load.decoding.items():
                metrics.IN_FLIGHT.labels(kind, model).set(decoding)
            if self._first:
                steps, windows = self._steps[model]
                steps.follow(load.steps, metrics.STEPS.labels(model).inc)
                windows.follow(load.windows, metrics.STEP_WINDOWS.labels(model).inc)

    async def _jobs(self) -> None:
        if self._store is None:
            return
        now, found = time.time(), await self._store.backlog()
        metrics.QUEUE.labels(JOB).set(found.queued_ms / 1000)
        metrics.WEBHOOKS_WAITING.set(found.webhooks)
        for status, count in (("queued", found.queued), ("running", found.running)):
            metrics.JOBS.labels(status).set(count)
            metrics.OLDEST.labels(status).set(max(0.0, now - found.oldest.get(status, now)))
