"""The socket of OpenAI's Realtime protocol: `/v1/realtime?intent=transcription`, and with `?model=`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from fastapi import APIRouter, Depends
from starlette.websockets import WebSocket

from endpoint.api.keys import Needs
from endpoint.api.live_socket import model_finder, serve_live
from endpoint.api.state import ServerState
from endpoint.caller import Scope
from endpoint.errors import InvalidRequest
from endpoint.live.protocol import Message
from endpoint.live.realtime import Realtime, Surroundings
from endpoint.live.session import Session

SUBPROTOCOL = "realtime"  # that browsers ask for, beside the one that carries the key


def realtime_routes(server: ServerState) -> APIRouter:
    router = APIRouter(dependencies=[Depends(Needs(Scope.REALTIME))])

    @router.websocket("/realtime")
    async def realtime(websocket: WebSocket) -> None:
        model = websocket.query_params.get("model", "")

        def build(session: Session) -> tuple[Realtime, Sequence[Message]]:
            if websocket.query_params.get("intent", "transcription") != "transcription":
                raise InvalidRequest("intent: this server transcribes: it must be `transcription`", param="intent")
            expires_at = int(time.time() + server.settings.live_session_seconds)
            around = Surroundings(model_finder(server, websocket), _new_id, expires_at, server.settings.vad)
            # A client secret was made for a session, perhaps with settings of its own.
            made_for = websocket.scope.get("state", {}).get("session")
            protocol = Realtime(session, around, model, made_for)
            return protocol, [protocol.opening()]

        offered = websocket.scope.get("subprotocols", ())
        await serve_live(server, websocket, model, build, SUBPROTOCOL if SUBPROTOCOL in offered else None)

    return router


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"
