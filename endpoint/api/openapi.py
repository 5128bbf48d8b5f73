"""What OpenAPI is told of routes that read their body themselves and answer in several media types."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from endpoint.api.forms import AudioForm
from endpoint.api.schemas import ErrorBody, TextDelta, TextDone

_HEADERS = {"x-request-id": {"description": "Id of the request, as in the log.", "schema": {"type": "string"}}}
_RETRY_AFTER = {"retry-after": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}}
_TEXT = {"schema": {"type": "string"}}
_LIST = {
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "description": "Several recordings, decoded side by side: the answer is a list in their order. An extension.",
}
_ERRORS = {
    400: "A field is missing or wrong, or the file holds no audio that can be decoded.",
    404: "No such model.",
    413: "The file is too large, or the recording too long.",
    500: "The model failed.",
    503: "The model is still loading, or every place is taken; try again after `Retry-After` seconds.",
    504: "The request took too long, or the upload was too slow.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of these statuses, and of every other error."""
    known: dict[int | str, dict[str, Any]] = {
        status: {
            "model": ErrorBody,
            "description": _ERRORS[status],
            "headers": _HEADERS | (_RETRY_AFTER if status == 503 else {}),
        }
        for status in statuses
    }
    return {**known, "default": {"model": ErrorBody, "description": "Any other error.", "headers": _HEADERS}}


def audio_docs(form: type[AudioForm], reply: Any, *, streams: bool = False) -> dict[str, Any]:
    """What OpenAPI says of a route that reads its body itself and answers in several media types."""
    content: dict[str, Any] = {"text/plain": _TEXT, "text/vtt": _TEXT}
    if streams:
        content["text/event-stream"] = {"schema": _inlined(TypeAdapter(TextDelta | TextDone | ErrorBody).json_schema())}
    answered = {"description": "The text, in the format asked for.", "content": content, "headers": _HEADERS}
    schema = form.model_json_schema()
    if streams:
        schema["properties"]["files[]"] = _LIST
    return {
        "response_model": reply,
        "responses": {200: answered, **error_responses(*_ERRORS)},
        "openapi_extra": {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}},
        "tags": ["audio"],
    }


def _inlined(schema: Any, definitions: Any = None) -> Any:
    """A JSON schema whose references are written out: there is no component of OpenAPI to refer to."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = definitions or schema.get("$defs")
    if reference := schema.get("$ref"):
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items() if name != "$defs"}
