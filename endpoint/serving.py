"""The server on Ray Serve: replicas of the API on CPUs and replicas of engines, each the application of `create_app`.

A replica of an engine is an engine server, and one of the API its gateway. The API reaches the engines at Serve's own
address, under the path of the internal routes; Serve gives each recording to a replica, and starts and ends replicas by
the seconds of audio that are under way in them. deploy/ray/ has the configurations.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray import serve

from endpoint.admission import Urgency
from endpoint.config import load_settings
from endpoint.errors import ConfigError, EngineFailed
from endpoint.observe.log import configure_logging
from endpoint.wiring import build_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from ray.serve import Application
    from ray.serve.config import AutoscalingContext

    Scope = MutableMapping[str, Any]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

AUDIO_SECONDS = "audio_seconds"  # the metric of a replica that Serve scales by
MANY = 100_000  # requests of a replica at once: the server's own limits are lower, and say so in their errors


class LoadedFirst:
    """ASGI: the application of `create_app` has started once its models are loaded, so that no request comes before.

    It fails to start where they cannot be.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        server = self._app.state.server

        async def later(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                waiting = [asyncio.ensure_future(event.wait()) for event in (server.loaded, server.failed)]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for one in waiting:
                    one.cancel()
                if server.failed.is_set():
                    message = {"type": "lifespan.startup.failed", "message": "a model could not be loaded"}
            await send(message)

        await self._app(scope, receive, later if scope["type"] == "lifespan" else send)


class _Replica:
    """given: settings beside those of the environment of its node."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def __serve_build_asgi_app__(self) -> LoadedFirst:
        settings = load_settings(**self._given)
        configure_logging(settings.log_level, "json" if settings.log_format == "auto" else settings.log_format)
        self._built = build_app(settings)
        return LoadedFirst(self._built)

    async def check_health(self) -> None:
        """Raises what makes Serve start another replica in its place."""
        if self._built.state.server.failed.is_set():
            raise EngineFailed("the model could not be loaded")


@serve.deployment(name="Engine", max_ongoing_requests=MANY, max_queued_requests=-1)
@serve.ingress()
class Engine(_Replica):
    """An engine server."""

    async def check_health(self) -> None:
        await super().check_health()
        server = self._built.state.server
        if server.loaded.is_set():
            await server.check()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Seconds of audio under way here: what an engine has, and what waits for it."""
        server = self._built.state.server
        return {AUDIO_SECONDS: server.models.peers.load.seconds_beside(Urgency.JOB)}


@serve.deployment(name="Api", max_ongoing_requests=MANY, max_queued_requests=-1)
@serve.ingress()
class Api(_Replica):
    """The routes, without a model."""


class AudioPolicy:
    """As many engines as there are times `target_seconds` of audio under way."""

    def __init__(self, target_seconds: float = 600.0) -> None:
        self._target = target_seconds

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        found = (context.aggregated_metrics or {}).get(AUDIO_SECONDS, {})
        return max(1, math.ceil(sum(found.values()) / self._target)), {}


def engines(args: dict[str, Any]) -> Application:
    """For Serve's configuration, at the path of the internal routes. args: settings, by name of their field."""
    deployment: Any = Engine
    return deployment.bind(args)


def api(args: dict[str, Any]) -> Application:
    """For Serve's configuration, at /. args: as of `engines`; `engines` names Serve's own address.

    Raises ConfigError where it has none.
    """
    if not args.get("engines"):
        raise ConfigError("engines: the API needs the address of Serve, such as http://127.0.0.1:8000")
    deployment: Any = Api
    return deployment.bind(args)
