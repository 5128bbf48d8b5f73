"""The state that all routes share: settings, models, whether they are loaded, and admission."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from endpoint.admission import Admission
from endpoint.config import Settings
from endpoint.errors import EngineFailed
from endpoint.outgoing import OutgoingPolicy

if TYPE_CHECKING:
    from endpoint.jobs.service import Jobs
    from endpoint.jobs.wiring import Background
    from endpoint.models import Models

log = structlog.get_logger(__name__)


class ServerState:
    """One per application. The models start in the background, so that /health responds while they load."""

    def __init__(
        self, settings: Settings, models: Models, jobs: Jobs | None = None, background: Background | None = None
    ) -> None:
        """jobs: None where there are none, and no routes of theirs. background: works them off in this process."""
        self.settings = settings
        self.failed = asyncio.Event()  # set if a model cannot be loaded: then the server must end
        self.models = models
        self.jobs, self._background = jobs, background
        self.loaded = asyncio.Event()  # set once every model is loaded
        most = settings.max_concurrent_requests, settings.max_concurrent_audio_seconds
        self.admission = Admission(*most, models.peers.load, models.peers.number)
        self.outgoing = OutgoingPolicy.parse(settings.url_hosts, settings.url_networks)
        self.draining = False  # set when the server gets a signal to stop: /ready fails, requests are finished
        self._tasks = list[asyncio.Task[None]]()

    def open(self) -> None:
        self._tasks.append(asyncio.create_task(self._load(), name="load model"))
        if self.jobs is not None:
            self._tasks.append(asyncio.create_task(self.jobs.open(), name="open the store of jobs"))
        if self._background is not None:
            self._background.start(self.loaded.wait())

    async def _load(self) -> None:
        try:
            await self.models.start()
        except Exception:
            self.failed.set()
            log.exception("model not loaded")
        else:
            self.loaded.set()

    async def close(self) -> None:
        self.draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._background is not None:
            await self._background.close()
        if self.jobs is not None:
            await self.jobs.store.close()
        await self.models.close()

    async def check(self) -> None:
        """Raises NotReady while a model is loading, EngineFailed when one is dead."""
        self._check_loaded()
        await self.models.check()

    async def check_any(self) -> None:
        """Raises as `check`, if no model can serve a request.

        It is called before the body is read, so before the model of the request is known.
        """
        self._check_loaded()
        await self.models.check_any()

    def _check_loaded(self) -> None:
        if self.failed.is_set():
            raise EngineFailed("The model could not be loaded; the server's log says why.")
