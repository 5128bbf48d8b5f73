"""`endpoint serve`: the HTTP server. Every setting is a flag."""

from __future__ import annotations

import asyncio
import resource
import socket
from types import FrameType

import structlog
import uvicorn

from endpoint.config import Settings, load_settings
from endpoint.log import configure_logging
from endpoint.models import Names
from endpoint.wiring import build_app

DRAIN_SECONDS = 60  # requests in flight get this long after SIGTERM


class Server(uvicorn.Server):
    """Uvicorn's, but a signal drains and then exits 0, and a model that cannot be loaded ends the process with 1."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.door.draining = True  # type: ignore[union-attr]
        self.force_exit = self.should_exit  # a second signal does not wait
        self.should_exit = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        failed: asyncio.Event = self.config.app.state.door.failed  # type: ignore[union-attr]
        watch = asyncio.create_task(self._stop_when(failed))
        try:
            await super().serve(sockets)
        finally:
            watch.cancel()

    async def _stop_when(self, failed: asyncio.Event) -> None:
        await failed.wait()
        self.should_exit = True


def run(argv: list[str]) -> int:
    return serve(load_settings(argv, prog="endpoint serve"))


def serve(settings: Settings) -> int:
    """Serve until a signal ends it."""
    names = Names.of(settings)
    configure_logging(settings.log_level)
    log = structlog.get_logger()
    log.info("settings", **settings.model_dump(mode="json"))
    log.info("models", served=[one.model_name for one in settings.each()], default=names.default, listed=names.listed)
    if settings.api_key is None:
        log.info("API_KEY is not set: whoever reaches the port is answered")
    if settings.engine == "vllm" and any(one.is_demo for one in settings.each()):
        log.warning(
            "the demo model is served: it proves the whole path and understands a small vocabulary; "
            "real speech needs MODEL_ID=openai/whisper-large-v3-turbo, or a folder"
        )
    _allow_files()
    app = build_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # ours, in endpoint/log.py
        access_log=False,  # endpoint/api/log.py writes a line per request
        timeout_graceful_shutdown=DRAIN_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = Server(config)
    server.run()
    return 1 if app.state.door.failed.is_set() else 0


def _allow_files() -> None:
    """As many open files as the machine lets us have: a request takes a socket, and a memory file for each upload."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
