"""The plain socket `/ws/transcribe?language=&task=&model=&words=`: sound in, JSON out; see endpoint/live/plain.py."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from starlette.websockets import WebSocket

from endpoint.api.forms import known_language
from endpoint.api.keys import Needs
from endpoint.api.live_socket import model_finder, serve_live
from endpoint.api.state import ServerState
from endpoint.caller import Scope
from endpoint.errors import InvalidRequest
from endpoint.languages import AUTO
from endpoint.live.agreement import DEFAULT_DELAY, DELAYS
from endpoint.live.plain import Plain
from endpoint.live.protocol import Message, TurnSettings
from endpoint.live.session import Session
from endpoint.options import Options, Task, VadOptions


class PlainQuery(BaseModel):
    """The query string. words: whether finals have the times of words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = ""
    language: str = ""
    task: Task = Task.TRANSCRIBE
    words: bool = False

    @field_validator("language")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_language(value) if value.strip().lower() not in ("", AUTO) else ""

    def options(self, vad: VadOptions | None) -> Options:
        return Options(task=self.task, language=self.language or None, words=self.words, vad=vad)


def plain_routes(server: ServerState) -> APIRouter:
    router = APIRouter(dependencies=[Depends(Needs(Scope.REALTIME))])

    @router.websocket("/ws/transcribe")
    async def transcribe(websocket: WebSocket) -> None:
        given = {name: value for name, value in websocket.query_params.items() if value}

        def build(session: Session) -> tuple[Plain, Sequence[Message]]:
            query = _parsed(given)
            model = model_finder(server, websocket)(query.model)
            return Plain(session, TurnSettings(model, query.options(server.settings.vad), DELAYS[DEFAULT_DELAY])), ()

        await serve_live(server, websocket, given.get("model", ""), build, containers=True)

    return router


def _parsed(given: dict[str, str]) -> PlainQuery:
    try:
        return PlainQuery.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = str(first["loc"][0])
        raise InvalidRequest(f"{param}: {first['msg']}", param=param) from error
