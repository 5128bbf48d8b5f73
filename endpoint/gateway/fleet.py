"""The models of a gateway: those of its engine servers, as they become known."""

from __future__ import annotations

import asyncio

import structlog

from endpoint.config import Settings
from endpoint.core.transcriber import Transcriber
from endpoint.errors import ConfigError, NotReady
from endpoint.gateway.pool import Pool
from endpoint.gateway.upstream import RemoteTranscriber
from endpoint.models import After, Models, Names, Peers
from endpoint.observe.samples import sampled
from endpoint.settings.base import split

log = structlog.get_logger(__name__)

NONE_KNOWN = Names("", {}, ())


class Fleet(Models):
    """Models that engine servers have. Names are known once a server is reached; a model that was known stays."""

    def __init__(self, settings: Settings, peers: Peers | None = None, after: After | None = None) -> None:
        assert settings.engine_token is not None  # the settings are refused without
        super().__init__(NONE_KNOWN, {}, peers, after)
        self._settings = settings
        self.pool = Pool(split(settings.engines), settings.engine_token.get_secret_value(), self._learn)
        self._known = asyncio.Event()

    def find(self, name: str) -> Transcriber:
        """Raises NotReady while no engine server was reached, and ModelNotFound."""
        if self.names is NONE_KNOWN:
            raise NotReady("no engine server was reached yet")
        return super().find(name)

    async def start(self) -> None:
        """Until one engine server is ready."""
        await self.pool.start()
        await self._known.wait()
        await super().start()

    async def close(self) -> None:
        await super().close()
        await self.pool.close()

    async def check(self) -> None:
        self.find("")
        await super().check()

    async def check_any(self) -> None:
        self.find("")
        await super().check_any()

    def _learn(self) -> None:
        """A server is new, or serves other models than before."""
        served, more = list[str](), dict[str, str]()
        for info in (server.info for server in self.pool.servers if server.info):
            first = [info.default, *(name for name in info.models if name != info.default)]
            served += [name for name in first if name not in served]
            more = dict(info.aliases) | more
        served += [name for name in self._transcribers if name not in served]
        try:
            self.names = Names.among(self._settings, served, more)
        except ConfigError as error:
            log.warning("engine servers lack a model that the settings name", why=error.message)
            return
        for name in set(served) - self._transcribers.keys():
            self._transcribers[name] = sampled(self._settings, RemoteTranscriber(name, self.pool))
        self._known.set()
