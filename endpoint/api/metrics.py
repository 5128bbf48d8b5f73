"""The route of the metrics. Where METRICS_PORT is set, they are on that port instead."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from endpoint.observe.exposition import CONTENT_TYPE_LATEST, exposition
from endpoint.observe.port import PATH


def metrics_routes() -> APIRouter:
    router = APIRouter()

    @router.get(PATH, include_in_schema=False)
    async def metrics() -> Response:
        return Response(await asyncio.to_thread(exposition), media_type=CONTENT_TYPE_LATEST)

    return router
