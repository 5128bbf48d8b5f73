"""Routes that manage keys, for callers with the scope `admin`."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from endpoint.access.keys import LIMIT_NAMES, MOST_LIMIT, ORDINARY, Key, limits_of
from endpoint.access.service import GRACE_SECONDS, MOST_NAME, PRINTABLE, Keys, NewKey
from endpoint.access.view import key_object
from endpoint.api.job_forms import MOST_LISTED, parse_query, query_docs
from endpoint.api.json_body import Body, body_docs, read_json
from endpoint.api.openapi import job_errors
from endpoint.api.schemas import ResponseModel
from endpoint.api.state import ServerState
from endpoint.caller import Scope

MOST_GRACE_SECONDS = 90 * 86_400
_Id = Annotated[str, Path(description="Id of a key.")]
_LIMITS = f"By name, each for one model: {', '.join(LIMIT_NAMES)}. Those that are absent are the server's own."


class KeyRequest(Body):
    """What a key is to be."""

    name: str = Field("", max_length=MOST_NAME, pattern=PRINTABLE, description="For people: in lists and in the log.")
    scopes: tuple[Scope, ...] = Field(tuple(sorted(ORDINARY)), min_length=1, description="What may be done with it.")
    models: tuple[str, ...] | None = Field(None, min_length=1, description="Models it may be used with; absent: all.")
    limits: dict[str, Annotated[int, Field(ge=0, le=MOST_LIMIT)] | None] = Field({}, description=_LIMITS)
    expires_at: int | None = Field(
        None, ge=0, lt=10**11, description="Unix seconds after which it is not valid; absent: never."
    )
    sampling: bool = Field(False, description="Whether recordings may be kept, to measure the accuracy.")


class RotateRequest(Body):
    """How a key is rotated."""

    grace_seconds: int = Field(
        int(GRACE_SECONDS), ge=0, le=MOST_GRACE_SECONDS, description="How long its old secrets stay valid."
    )


class KeysQuery(BaseModel):
    """Which keys are listed."""

    after: str | None = Field(None, max_length=100, description="Id of the last key of the page before.")
    limit: int = Field(20, ge=1, le=MOST_LISTED, description="Most keys of a page.")


class KeyObject(ResponseModel):
    """A key. Times are Unix seconds."""

    id: str = Field(description="By which the other routes know it.")
    object: Literal["api_key"] = Field(description="Always this word.")
    name: str = Field(description="As it was given.")
    prefix: str = Field(description="How its newest secret begins.")
    status: Literal["active", "expired", "revoked"] = Field(description="Whether it is valid.")
    scopes: list[Scope] = Field(description="What may be done with it.")
    models: list[str] | None = Field(description="Models it may be used with; null: all.")
    limits: dict[str, int] = Field(description="Its own limits.")
    sampling: bool = Field(description="Whether recordings may be kept, to measure the accuracy.")
    created_at: int = Field(description="When it was made.")
    expires_at: int | None = Field(description="When it ends.")
    revoked_at: int | None = Field(description="When it was revoked.")
    last_used_at: int | None = Field(description="When it was used last, to the minute.")


class SecretKey(KeyObject):
    """A key with its secret, which is shown only once."""

    key: str = Field(description="What callers send. It is not kept, so it cannot be shown again.")


class KeyList(ResponseModel):
    object: Literal["list"] = Field("list", description="Always this word.")
    data: list[KeyObject] = Field(description="The newest first.")
    first_id: str | None = Field(description="Of the first one; null where there is none.")
    last_id: str | None = Field(description="Of the last one: `after` of the next page.")
    has_more: bool = Field(description="Whether there is a next page.")


def admin_routes(server: ServerState, keys: Keys) -> APIRouter:
    """The routes without their prefix."""
    router = APIRouter(prefix="/admin/keys", tags=["admin"])

    @router.post("", responses=job_errors(400, 401, 404, 413, 503), **_body(KeyRequest))
    async def create_key(request: Request) -> SecretKey:
        """Make a key. The response has its secret, which is not shown again."""
        asked = await read_json(request, KeyRequest)
        for model in asked.models or ():
            server.models.find(model)
        models = None if asked.models is None else frozenset(asked.models)
        limits, scopes = limits_of(asked.limits), frozenset(asked.scopes)
        new = NewKey(asked.name, scopes, models, limits, asked.expires_at, asked.sampling)
        return _secret(*await keys.create(new))

    @router.get("", responses=job_errors(400, 401, 503), openapi_extra={"parameters": query_docs(KeysQuery)})
    async def list_keys(request: Request) -> KeyList:
        """The keys, a page at a time, without their secrets."""
        query, _ = parse_query(KeysQuery, request.query_params.multi_items(), strict=True)
        found = await keys.list(query.after, query.limit + 1)
        page = [_shown(key) for key in found[: query.limit]]
        first, last = (page[0].id, page[-1].id) if page else (None, None)
        return KeyList(data=page, first_id=first, last_id=last, has_more=len(found) > query.limit)

    @router.get("/{key_id}", responses=job_errors(401, 404, 503))
    async def retrieve_key(key_id: _Id) -> KeyObject:
        """A key: what it may do, whether it is valid, when it was used."""
        return _shown(await keys.get(key_id))

    @router.post("/{key_id}/rotate", responses=job_errors(400, 401, 404, 413, 503), **_body(RotateRequest))
    async def rotate_key(request: Request, key_id: _Id) -> SecretKey:
        """Give a key another secret; the old one works for a while."""
        asked = await read_json(request, RotateRequest)
        return _secret(*await keys.rotate(key_id, asked.grace_seconds))

    @router.post("/{key_id}/revoke", responses=job_errors(401, 404, 503))
    async def revoke_key(key_id: _Id) -> KeyObject:
        """End a key for ever, with all its secrets. Other servers follow within `KEY_CACHE_SECONDS`."""
        return _shown(await keys.revoke(key_id))

    return router


def _body(body: type[Body]) -> dict[str, Any]:
    return {"openapi_extra": {"requestBody": body_docs(body)}}


def _shown(key: Key) -> KeyObject:
    return KeyObject(**key_object(key, time.time()))


def _secret(key: Key, token: str) -> SecretKey:
    return SecretKey(**key_object(key, time.time()), key=token)
