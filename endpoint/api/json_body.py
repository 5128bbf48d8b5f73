"""Bodies of requests that are JSON: read within a limit, checked, and described."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from endpoint.api.openapi import inlined
from endpoint.api.upload import read_body
from endpoint.errors import InvalidRequest

MOST_BYTES = 64 * 1024


class Body(BaseModel):
    """A body, or an object in it. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


B = TypeVar("B", bound=Body)


async def read_json(request: Request, body: type[B], most: int = MOST_BYTES) -> B:
    """An empty body counts as an empty object. most: its length in bytes.

    Raises InvalidRequest that names the first wrong field, and TooLarge.
    """
    data = (await read_body(request.receive, request.headers, most)).read()
    try:
        return body.model_validate_json(data or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = ".".join(map(str, first["loc"])) or None
        raise InvalidRequest(f"{param or 'body'}: {first['msg']}", param=param) from error


def body_docs(body: type[Body]) -> dict[str, Any]:
    """OpenAPI's `requestBody`."""
    required = bool(body.model_json_schema().get("required"))
    return {"required": required, "content": {"application/json": {"schema": inlined(body.model_json_schema())}}}
