"""The application: all routes, the middleware and the error handlers, for given models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from endpoint import __version__
from endpoint.api.admin import admin_routes
from endpoint.api.azure import azure_routes
from endpoint.api.compat import compat_routes
from endpoint.api.cors import add_cors
from endpoint.api.errors import install_error_handlers
from endpoint.api.internal import EngineRoutes
from endpoint.api.jobs import job_routes, requeue_routes, result_routes
from endpoint.api.keys import Authentication, needs
from endpoint.api.limits import LimitHeaders
from endpoint.api.log import RequestLog
from endpoint.api.metrics import metrics_routes
from endpoint.api.openapi import whole_bounds
from endpoint.api.page import PageFiles, caller_routes
from endpoint.api.paths import PlainPath
from endpoint.api.realtime import secret_routes
from endpoint.api.realtime_socket import realtime_routes
from endpoint.api.render import render_routes
from endpoint.api.routes import PREFIXES, model_routes, openai_routes
from endpoint.api.state import ServerState
from endpoint.api.system import docs_assets, system_routes
from endpoint.api.transcribe_socket import plain_routes
from endpoint.api.usage import usage_routes
from endpoint.api.whisper_asr import asr_routes
from endpoint.api.whisper_cpp import whisper_cpp_routes
from endpoint.caller import Scope
from endpoint.config import Settings
from endpoint.observe.calls import Observer

if TYPE_CHECKING:
    from endpoint.access.meter import LedgerMeter
    from endpoint.access.service import Keys
    from endpoint.jobs.service import Jobs
    from endpoint.jobs.wiring import Background
    from endpoint.models import Models

_ABOUT = """Speech to text with Whisper, behind OpenAI's audio API.

Every path under `/api/v1` also exists under `/v1`. Every error has OpenAI's body, and every response an `x-request-id`.
In forms an empty field counts as absent. For a list, repeat the field, with or without `[]` at the end of its name.
An unknown field is ignored and listed in `warnings` of the response, with text formats in the header `x-warnings`.
What this server does not support is refused with code `unsupported`.
"""


class _Documented(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = whole_bounds(super().openapi())
        return self.openapi_schema


def create_app(
    settings: Settings,
    models: Models,
    jobs: Jobs | None = None,
    background: Background | None = None,
    *,
    keys: Keys | None = None,
    meter: LedgerMeter | None = None,
    observer: Observer | None = None,
) -> FastAPI:
    """The ASGI application. Its lifespan starts the models in the background and closes them at the end.

    jobs: without them the routes of jobs are not there. background: works them off once the models are loaded.
    keys: without them requests need none. meter: writes usage; without it there is no route of usage.
    observer: None: one of its own.

    `app.state.server.draining = True` makes /ready fail while requests in flight are finished.
    """
    server = ServerState(settings, models, jobs, background, keys=keys, meter=meter, observer=observer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        server.open()
        try:
            yield
        finally:
            await server.close()

    app = _Documented(
        title="Whisper endpoint",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads scripts from the internet; system.py has a page without them
        redoc_url=None,
        redirect_slashes=False,  # a client would send a redirected upload twice
    )
    app.state.server = server
    _add_routes(app, server, jobs)
    app.mount("/docs", docs_assets())
    if settings.page:
        app.mount("/page", PageFiles())
    install_error_handlers(app)
    app.add_middleware(LimitHeaders)
    if keys is not None:
        app.add_middleware(Authentication, keys=keys)
    if settings.engine_token is not None and not settings.engines:
        app.add_middleware(EngineRoutes, server=server, token=settings.engine_token.get_secret_value())
    app.add_middleware(PlainPath)
    app.add_middleware(RequestLog, metrics=server.observer.metrics)
    if settings.cors_origins:
        add_cors(app, settings.cors_origins)  # added last, so that it is called first
    return app


def _add_routes(app: FastAPI, server: ServerState, jobs: Jobs | None) -> None:
    """Each router with the scope that its routes need; those of `system_routes` name their own."""
    transcribing, submitting = needs(server, Scope.TRANSCRIBE), needs(server, Scope.JOBS)
    for prefix in PREFIXES:
        app.include_router(openai_routes(server), prefix=prefix, dependencies=transcribing)
        app.include_router(render_routes(server), prefix=prefix, dependencies=transcribing)
        app.include_router(model_routes(server), prefix=prefix, dependencies=needs(server, *Scope))
        app.include_router(caller_routes(), prefix=prefix, dependencies=needs(server, *Scope))
        if jobs is not None:
            app.include_router(job_routes(server, jobs), prefix=prefix, dependencies=submitting)
            app.include_router(requeue_routes(jobs), prefix=prefix, dependencies=needs(server, Scope.ADMIN))
        if server.meter is not None:
            app.include_router(usage_routes(server, server.meter), prefix=prefix, dependencies=needs(server, *Scope))
        app.include_router(realtime_routes(server), prefix=prefix)
        if server.keys is None or server.keys.kept:
            app.include_router(secret_routes(server), prefix=prefix, dependencies=needs(server, Scope.REALTIME))
        if server.keys is not None and server.settings.keys_url:
            routes = admin_routes(server, server.keys)
            app.include_router(routes, prefix=prefix, dependencies=needs(server, Scope.ADMIN))
    app.include_router(system_routes(server))
    app.include_router(plain_routes(server))
    if server.settings.metrics and server.settings.metrics_port is None:
        app.include_router(metrics_routes(), dependencies=needs(server, Scope.ADMIN))
    for others in (compat_routes, azure_routes, asr_routes, whisper_cpp_routes):
        app.include_router(others(server), dependencies=transcribing)
    if jobs is not None:
        app.include_router(result_routes(server, jobs), dependencies=submitting)
