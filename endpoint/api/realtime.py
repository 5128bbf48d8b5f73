"""Client secrets: what a web page opens a live socket with, so that it needs no key. As OpenAI has them."""

from __future__ import annotations

import time
import uuid
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field

from endpoint.access.tokens import CLIENT_SECRET
from endpoint.api.json_body import Body, body_docs, read_json
from endpoint.api.openapi import error_responses
from endpoint.api.schemas import ResponseModel
from endpoint.api.state import ServerState, caller_of


class ExpiresAfter(Body):
    anchor: Literal["created_at"] = Field("created_at", description="From when on: when the secret is made.")
    seconds: int = Field(600, ge=10, le=7200, description="How long new sockets can be opened with it.")


class Session(Body):
    """A session, as `session.update` sends it."""

    model_config = ConfigDict(extra="allow")

    type: Literal["transcription", "realtime"] = Field("transcription", description="Its kind.")


class ClientSecretRequest(Body):
    """What a client secret is to be good for."""

    expires_after: ExpiresAfter = Field(ExpiresAfter(), description="How long it is valid.")
    session: Session = Field(Session(), description="What the session is to be.")


class ClientSecret(ResponseModel):
    value: str = Field(description="The secret, which is shown only here.")
    expires_at: int = Field(description="Unix seconds after which no socket can be opened with it.")
    session: dict[str, Any] = Field(description="The session as it was sent, with its id.")


def secret_routes(server: ServerState) -> APIRouter:
    """The route without its prefix."""
    router = APIRouter(tags=["realtime"])

    @router.post(
        "/realtime/client_secrets",
        responses=error_responses(400, 401, 403, 413, 503),
        openapi_extra={"requestBody": body_docs(ClientSecretRequest)},
    )
    async def create_client_secret(request: Request) -> ClientSecret:
        """A secret that a web page can open live sockets with, and do nothing else. Send it as the key."""
        asked = await read_json(request, ClientSecretRequest)
        seconds, session = asked.expires_after.seconds, asked.session.model_dump()
        if server.keys is None:  # then sockets need no key, and whatever is sent as one is ignored
            value, expires_at = CLIENT_SECRET + uuid.uuid4().hex, time.time() + seconds
        else:
            value, expires_at = await server.keys.client_secret(caller_of(request), seconds, session)
        return ClientSecret(value=value, expires_at=int(expires_at), session=_named(session))

    return router


def _named(session: dict[str, Any]) -> dict[str, Any]:
    kind = "realtime.transcription_session" if session["type"] == "transcription" else "realtime.session"
    return {**session, "object": kind, "id": f"sess_{uuid.uuid4().hex}"}
