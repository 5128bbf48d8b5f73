"""`endpoint serve`: the HTTP server. Every setting is a flag."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import structlog
import uvicorn

from endpoint.access.wiring import check_anonymous, is_loopback
from endpoint.config import Settings, add_environment, load_settings
from endpoint.engine.placement import Environment
from endpoint.errors import ConfigError
from endpoint.models import Names, Peers
from endpoint.observe.log import configure_logging
from endpoint.observe.port import metrics_port
from endpoint.supervisor import DRAIN_SECONDS, engines_of, supervise
from endpoint.wiring import Links, build_app

MOST_FRAME_BYTES = 32 << 20  # of a websocket, where its connection is cut; live sessions close it properly before


class Server(uvicorn.Server):
    """Uvicorn's server. A signal drains it and exits with 0; a model that cannot be loaded ends it with 1."""

    def __init__(self, config: uvicorn.Config, stop_delay: float = 0.0) -> None:
        """stop_delay: seconds in which requests are still taken after a signal, while /ready fails."""
        super().__init__(config)
        self._stop_delay, self._stop_at = stop_delay, float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        state = self.config.app.state.server  # type: ignore[union-attr]
        self.force_exit = self.should_exit = state.draining  # a second signal does not wait
        state.stop()
        self._stop_at = min(self._stop_at, time.monotonic() + self._stop_delay)

    async def on_tick(self, counter: int) -> bool:
        self.should_exit |= time.monotonic() >= self._stop_at
        return await super().on_tick(counter)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        failed: asyncio.Event = self.config.app.state.server.failed  # type: ignore[union-attr]
        watch = asyncio.create_task(self._stop_when(failed))
        state = self.config.app.state.server  # type: ignore[union-attr]
        try:
            async with metrics_port(state.settings, state.models.peers.number):
                await super().serve(sockets)
        finally:
            watch.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Live sessions finish their turns before their connections are closed."""
        await self.config.app.state.server.live.drain(DRAIN_SECONDS)  # type: ignore[union-attr]
        await super().shutdown(sockets)

    async def _stop_when(self, failed: asyncio.Event) -> None:
        await failed.wait()
        self.should_exit = True


def run(argv: list[str]) -> int:
    settings = load_settings(argv, prog="endpoint serve")
    if settings.engines:
        raise ConfigError("ENGINES is set: a server without a model of its own is `endpoint gateway`")
    return serve(settings)


def serve(settings: Settings) -> int:
    """Serve until a signal ends it."""
    names = Names.of(settings)
    log = begin(settings)
    log.info("models", served=[one.model_name for one in settings.each()], default=names.default, listed=names.listed)
    if settings.engine == "vllm" and any(one.is_test_model for one in settings.each()):
        log.warning(
            "the test model is served: it is for trying the server and has a small vocabulary; "
            "real speech needs MODEL_ID=openai/whisper-large-v3-turbo, or a folder"
        )
    return serve_with(settings, engines_of(settings))


def begin(settings: Settings) -> Any:
    """The log, with its first lines. Raises ConfigError where callers need a key and there is none."""
    configure_logging(settings.log_level, settings.log_format)
    log = structlog.get_logger()
    anonymous = check_anonymous(settings)
    log.info("settings", **settings.shown())
    if anonymous and is_loopback(settings.host):
        log.info("requests need no key: only this machine reaches the server", host=settings.host)
    elif anonymous:
        log.warning("requests need no key: ALLOW_ANONYMOUS is set, so something else must guard the server")
    return log


def serve_with(settings: Settings, engines: Sequence[Environment]) -> int:
    """Serve with an engine for each of `engines`, in this process if one is enough, else in several."""
    count = settings.front_processes(len(engines))
    if len(engines) == count == 1:
        add_environment(engines[0])
        return _run(settings)
    return supervise(settings, engines, _bind(settings, count), serve_beside)


def _bind(settings: Settings, count: int) -> list[socket.socket]:
    """Sockets on one port, among which the kernel distributes connections; they do not listen yet."""
    with uvicorn.Config("", host=settings.host, port=settings.port, log_config=None).bind_socket() as first:
        address = first.getsockname()  # the port is free; without this check two servers could share it unnoticed
    sockets = [socket.socket(first.family) for _ in range(count)]
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(address)
    return sockets


def serve_beside(settings: Settings, listening: socket.socket, links: Links, peers: Peers) -> int:
    """Run as one of several API processes."""
    configure_logging(settings.log_level, settings.log_format, f"api-{peers.number}")
    return _run(settings, [listening], links, peers)


def _run(
    settings: Settings,
    sockets: list[socket.socket] | None = None,
    links: Links | None = None,
    peers: Peers | None = None,
) -> int:
    _allow_files()
    app = build_app(settings, links, peers)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # ours, in endpoint/observe/log.py
        access_log=False,  # endpoint/api/log.py writes a line per request
        timeout_graceful_shutdown=DRAIN_SECONDS,
        http="endpoint.api.protocol:LimitedProtocol",
        ws_max_size=MOST_FRAME_BYTES,
        ws_per_message_deflate=False,  # sound in base64 does not get smaller
    )
    server = Server(config, settings.stop_delay_seconds)
    server.run(sockets)
    return 1 if app.state.server.failed.is_set() else 0


def _allow_files() -> None:
    """Raise the limit of open files: a request takes a socket, and a memory file for each upload."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
