"""/metrics on a port of its own, beside a server or a worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.observe.exposition import CONTENT_TYPE_LATEST, exposition

PATH = "/metrics"


@asynccontextmanager
async def metrics_port(settings: Settings, number: int = 0) -> AsyncIterator[None]:
    """Serve METRICS_PORT, if it is set, while the block runs. number: of this process; the first one does it.

    Raises ConfigError where the port is taken.
    """
    if settings.metrics_port is None or not settings.metrics or number:
        yield
        return
    with _bound(settings.metrics_host, settings.metrics_port) as listening:
        server = _Beside(uvicorn.Config(_serve, lifespan="off", log_config=None, access_log=False, ws="none"))
        serving = asyncio.create_task(server.serve([listening]), name="metrics")
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            await asyncio.gather(serving, return_exceptions=True)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(f"METRICS_PORT: {host} port {port} cannot be listened on: {error.strerror}") from error


class _Beside(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are for whom it runs beside."""
        yield


async def _serve(scope: dict, receive: object, send) -> None:  # type: ignore[no-untyped-def,type-arg]
    """An ASGI application with one route."""
    found = scope["path"] == PATH and scope["method"] in ("GET", "HEAD")
    body = await asyncio.to_thread(exposition) if found else b"/metrics is here\n"
    kind = CONTENT_TYPE_LATEST if found else "text/plain"
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
