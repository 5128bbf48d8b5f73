"""The state that all routes share: settings, models, whether they are loaded, and admission."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from endpoint.access.limits_wiring import build_limiter
from endpoint.admission import Admission, Load, Urgency
from endpoint.caller import ANONYMOUS, Caller
from endpoint.config import Settings
from endpoint.errors import ConfigError, EngineFailed, PermissionDenied, StoreUnavailable
from endpoint.jobs.account import settle
from endpoint.live.sessions import LiveSessions
from endpoint.observe.calls import Observer
from endpoint.observe.metrics import RELAYED, live_lag
from endpoint.observe.watch import Watch
from endpoint.outgoing import OutgoingPolicy

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from endpoint.access.meter import LedgerMeter
    from endpoint.access.service import Keys
    from endpoint.core.transcriber import Transcriber
    from endpoint.jobs.service import Jobs
    from endpoint.jobs.wiring import Background
    from endpoint.models import Models

log = structlog.get_logger(__name__)

QUEUED_HERE = (Urgency.LIVE, Urgency.REQUEST)  # jobs wait in their store
OPEN_SECONDS = 1.0  # until a store of keys that is not there is tried again


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sends a request; anonymous where no keys are asked for."""
    caller: Caller = connection.scope.get("state", {}).get("caller", ANONYMOUS)
    return caller


def _admitted(load: Load, relayed: bool) -> dict[str, float]:
    """Seconds of audio by class. relayed: of an engine server, whose audio its gateway counts by class."""
    seconds = {urgency.label: load.seconds_of(urgency) for urgency in QUEUED_HERE}
    return {RELAYED: sum(seconds.values())} if relayed else seconds


class ServerState:
    """One per application. The models start in the background, so that /health responds while they load."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        jobs: Jobs | None = None,
        background: Background | None = None,
        *,
        keys: Keys | None = None,
        meter: LedgerMeter | None = None,
        observer: Observer | None = None,
    ) -> None:
        """jobs: None where there are none, and no routes of theirs. background: works them off in this process.

        keys: None where requests need none. meter: writes usage; None where nobody wants to know.
        """
        self.settings = settings
        self.failed = asyncio.Event()  # set if a model cannot be loaded: then the server must end
        self.models = models
        self.jobs, self._background, self.keys = jobs, background, keys
        self.loaded = asyncio.Event()  # set once every model is loaded
        most = settings.max_concurrent_requests, settings.max_concurrent_audio_seconds
        self.admission = Admission(*most, models.peers.load, models.peers.number)
        self.meter, self.limiter = meter, build_limiter(settings, meter)
        if jobs is not None:
            jobs.settle = partial(settle, self.limiter)
        if background is not None:
            background.runner.settle, background.runner.room = partial(settle, self.limiter), self.admission.room
        self.outgoing = OutgoingPolicy.parse(settings.url_hosts, settings.url_networks)
        self.live = LiveSessions(settings, models)
        self.live.record.observers.append(live_lag)
        self.observer = observer or Observer.of(settings)
        self.draining = False  # set when the server gets a signal to stop: /ready fails, requests are finished
        self._tasks = list[asyncio.Task[None]]()

    def open(self) -> None:
        self._tasks.append(asyncio.create_task(self._load(), name="load model"))
        if self.jobs is not None:
            self._tasks.append(asyncio.create_task(self.jobs.open(), name="open the store of jobs"))
        if self.keys is not None:
            self._tasks.append(asyncio.create_task(self._open_keys(self.keys), name="open the store of keys"))
        if self.meter is not None:
            self.meter.start()
        if self._background is not None:
            self._background.start(self.loaded.wait())
        if self.settings.metrics:
            peers = self.models.peers
            admitted = partial(_admitted, peers.load, bool(self.settings.engine_token and not self.settings.engines))
            first = peers.number == 0
            watch = Watch(self.models, self.jobs, admitted, lambda: self.live.record.open, first=first)
            self._tasks.append(asyncio.create_task(watch.run(), name="watch"))

    async def _load(self) -> None:
        try:
            await self.models.start()
        except Exception:
            self.failed.set()
            log.exception("model not loaded")
        else:
            self.loaded.set()

    async def _open_keys(self, keys: Keys) -> None:
        """Again and again until the store is there; keys that cannot be checked end the server."""
        while True:
            try:
                return await keys.open()
            except StoreUnavailable as error:
                log.warning("the store of keys is unavailable", why=error.message)
                await asyncio.sleep(OPEN_SECONDS)
            except ConfigError as error:
                self.failed.set()
                log.error("keys cannot be checked", why=error.message)
                return None

    def stop(self) -> None:
        """Take no more jobs, and fail /ready."""
        self.draining = True
        if self._background is not None:
            self._background.runner.stop()

    async def close(self) -> None:
        self.stop()
        self.live.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._background is not None:
            await self._background.close()
        if self.jobs is not None:
            await self.jobs.store.close()
        if self.keys is not None:
            await self.keys.close()
        if self.meter is not None:
            await self.meter.close()
        await self.limiter.close()
        await asyncio.to_thread(self.observer.close)
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

    def model(self, caller: Caller, name: str) -> str:
        """The name to show for the model that a caller names. Raises ModelNotFound, PermissionDenied."""
        names = self.models.names
        if not self.may_use(caller, name):
            raise PermissionDenied(
                f"This API key has no access to the model `{names.shown(name)}`.", code="model_not_found", param="model"
            )
        return names.shown(name)

    def transcriber(self, caller: Caller, name: str) -> Transcriber:
        """What transcribes with the model that a caller names. Raises ModelNotFound, PermissionDenied."""
        self.model(caller, name)
        return self.models.find(name)

    def may_use(self, caller: Caller, name: str) -> bool:
        """Raises ModelNotFound."""
        served, names = self.models.names.find(name), self.models.names.meaning
        return caller.models is None or served in {names.get(model, model) for model in caller.models}
