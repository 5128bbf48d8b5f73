"""Routes about the server: health, version, and documentation, which needs no internet."""

from __future__ import annotations

from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from endpoint import __version__
from endpoint.api.keys import needs
from endpoint.api.openapi import error_responses
from endpoint.api.page import page_response
from endpoint.api.schemas import Index, Status, Version
from endpoint.api.state import ServerState
from endpoint.caller import Scope
from endpoint.errors import EngineFailed, NotReady, Unavailable

_STATIC = Path(__file__).parent / "static"
# Swagger UI sets style attributes and draws its icons from data: URLs; its script needs nothing else.
_DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
_PAGE = (_STATIC / "index.html").read_text(encoding="utf-8")
_PAGE_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def docs_assets() -> StaticFiles:
    """The script that starts Swagger UI, and its files from the package fastapi-offline."""
    return StaticFiles(directory=_STATIC, packages=[("fastapi_offline", "static")])


def system_routes(server: ServerState) -> APIRouter:
    router = APIRouter(tags=["server"], responses=error_responses())

    @router.get("/", response_model=Index, responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}})
    async def index(request: Request) -> Index | Response:
        """The page for people, or with PAGE=false links to the documentation; JSON for programs."""
        if "text/html" in request.headers.get("accept", ""):
            if server.settings.page:
                return page_response(server)
            names = "</code>, <code>".join(map(escape, server.models.names.listed))
            return HTMLResponse(_PAGE.replace("{models}", names), headers=_PAGE_HEADERS)
        return Index(version=__version__)

    @router.get("/health", responses=error_responses(503))
    async def health() -> Status:
        """Whether every model can serve requests: 503 while one is loading, and when one is dead."""
        try:
            await server.check()
        except EngineFailed as error:
            raise Unavailable(error.message, code=error.code) from error
        return Status()

    @router.get("/ready", responses=error_responses(503))
    async def ready() -> Status:
        """Whether to send requests to this server: as /health, and 503 while the server is stopping."""
        if server.draining:
            raise NotReady("The server is stopping.", code="stopping")
        return await health()

    @router.get("/version", responses=error_responses(401), dependencies=needs(server, *Scope))
    async def version() -> Version:
        """The versions of the server and its engine, and the models."""
        names, info = server.models.names, server.models.find("").info
        return Version(
            version=__version__,
            model=names.shown(""),
            models=list(names.listed),
            engine=info.engine,
            engine_version=info.version,
            device=info.device,
            dtype=info.dtype,
        )

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return FileResponse(_STATIC / "docs.html", headers={"content-security-policy": _DOCS_CSP})

    return router
