"""The OpenAPI description of routes that read the body themselves and respond in several media types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from endpoint.api.examples import Example
from endpoint.api.forms import AudioForm
from endpoint.api.schemas import DiarizedSegment, ErrorBody, TextDelta, TextDone

_HEADERS = {"x-request-id": {"description": "Id of the request, as in the log.", "schema": {"type": "string"}}}
_MORE_HEADERS = {
    401: {"www-authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}},
    429: {"retry-after": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}},
    503: {"retry-after": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}},
}
_TEXTS = {
    "text/plain": "`text`: the text and a newline. `srt`: SubRip, empty for a recording without speech.",
    "text/vtt": "`vtt`: WebVTT.",
}
_LIST = {
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "description": "Several recordings, decoded side by side: the response is a list in their order. Not with "
    "`stream`. An extension.",
}
_ERRORS = {
    400: "A field is missing or wrong, or the file holds no audio that can be decoded.",
    401: "The server asks for a key, and the request has none that is valid.",
    403: "The key is not for this, or not for this model.",
    404: "No such model.",
    413: "The file is too large, or the recording too long.",
    429: "The caller has reached a limit of its own; try again after `Retry-After` seconds.",
    500: "The model failed.",
    503: "The model is still loading, or the server is at its limit; try again after `Retry-After` seconds.",
    504: "The request took too long, or the upload was too slow.",
}
# The error codes of each status.
CODES = {
    400: (
        "invalid_value", "unsupported", "missing_file", "empty_file", "invalid_form", "invalid_audio", "no_audio",
        "no_audio_stream", "audio_decode_failed", "url_refused", "url_unreachable", "speakers_not_installed",
    ),
    401: ("invalid_api_key",),
    403: ("missing_scope", "model_not_found"),
    404: ("model_not_found",),
    413: ("file_too_large", "audio_too_long"),
    429: ("rate_limit_exceeded", "insufficient_quota"),
    500: ("engine_failed", "diarization_failed", "internal_error"),
    503: ("model_loading", "overloaded", "unavailable", "engine_failed", "stopping"),
    504: ("timeout", "upload_timeout", "url_timeout"),
}  # fmt: skip
# What differs on the routes of jobs, and the codes there.
_JOB_ERRORS = _ERRORS | {
    404: "No such job or key, or it was deleted; or no such model.",
    409: "The job has no result: it is not finished, or was cancelled.",
    410: "The result is no longer kept.",
    422: "The idempotency key was used for another request; or the job failed, with an error of a code of its own.",
    503: f"{_ERRORS[503]} Or the jobs cannot be reached.",
}
JOB_CODES = CODES | {
    400: (*CODES[400], "job_not_failed"),
    404: ("job_not_found", "file_not_found", "key_not_found", *CODES[404]),
    409: ("job_not_finished", "job_cancelled"),
    410: ("result_expired",),
    422: ("idempotency_mismatch",),
    500: (*CODES[500], "worker_lost", "audio_missing"),
    503: (*CODES[503], "store_unavailable"),
}


_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def whole_bounds(document: Any) -> Any:
    """A copy of the document with whole bounds as integers. FastAPI makes them floats, which round 2**63 - 1."""
    if isinstance(document, list):
        return [whole_bounds(part) for part in document]
    if not isinstance(document, dict):
        return document
    return {name: _whole(part) if name in _BOUNDS else whole_bounds(part) for name, part in document.items()}


def _whole(bound: Any) -> Any:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else whole_bounds(bound)


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of these statuses, and of every other error."""
    return _error_responses(statuses, _ERRORS, CODES)


def job_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for a route of jobs."""
    return _error_responses(statuses, _JOB_ERRORS, JOB_CODES)


def _error_responses(
    statuses: Iterable[int], texts: Mapping[int, str], codes: Mapping[int, Iterable[str]]
) -> dict[int | str, dict[str, Any]]:
    known: dict[int | str, dict[str, Any]] = {
        status: {
            "model": ErrorBody,
            "description": f"{texts[status]} Codes: {', '.join(f'`{code}`' for code in codes[status])}.",
            "headers": _HEADERS | _MORE_HEADERS.get(status, {}),
        }
        for status in sorted({*statuses, *((403,) if 401 in statuses else ())})  # who is known may not be allowed
    }
    return {**known, "default": {"model": ErrorBody, "description": "Any other error.", "headers": _HEADERS}}


def audio_docs(
    form: type[AudioForm],
    response: Any,
    requests: Mapping[str, Example],
    responses: Mapping[str, tuple[str, Any]] | None = None,
    texts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The OpenAPI description of a route that takes a form.

    response: the model of its JSON response. requests: examples by name. responses: their responses, as media type
    and body, where the route has other media types than JSON. texts: description by media type of further responses.
    """
    sources = ("file", "url") if responses is None else ("file", "url", "files[]")
    return {
        "response_model": response,
        "responses": {200: _with_texts(_success(responses), response, texts), **error_responses(*_ERRORS)},
        "openapi_extra": {"requestBody": form_body(form, requests, sources)},
        "tags": ["audio"],
    }


def form_body(form: type[AudioForm], requests: Mapping[str, Example], sources: Sequence[str]) -> dict[str, Any]:
    """A request body that is a form. sources: fields one of which brings the recording."""
    schema = inlined(form.model_json_schema())
    schema["properties"] = {name: _without_null(field) for name, field in schema["properties"].items()}
    if "files[]" in sources:
        schema["properties"]["files[]"] = _LIST
    schema["anyOf"] = [{"required": [source]} for source in sources]
    content = {"multipart/form-data": {"schema": schema, "examples": dict(requests)}}
    return {"required": True, "content": content}


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A form has no null: a field is left out."""
    options = [option for option in field.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) != 1:
        return field
    rest = {name: value for name, value in field.items() if name not in {"anyOf", "default"}}
    return {**options[0], **rest}


def job_docs(
    shown: Any, errors: Sequence[int], parameters: Sequence[dict[str, Any]] = (), status: int = 200, **ok: Any
) -> dict[str, Any]:
    """The OpenAPI description of a route of jobs. ok: more about its response of `status`."""
    return {
        "response_model": shown,
        "status_code": status,
        "responses": {status: {"headers": _HEADERS, **ok}, **job_errors(*errors)},
        "openapi_extra": {"parameters": list(parameters)},
        "tags": ["jobs"],
    }


def in_formats(form: str) -> dict[str, Any]:
    """The media types of a result besides JSON, as `content`. form: what the JSON is."""
    texts = {kind: {"schema": {"type": "string", "description": what}} for kind, what in _TEXTS.items()}
    return {"description": form, "content": {"application/json": {}, **texts}}


def _with_texts(success: dict[str, Any], response: Any, texts: Mapping[str, str] | None) -> dict[str, Any]:
    if texts is None:
        return success
    kinds = {kind: {"schema": {"type": "string", "description": what}} for kind, what in texts.items()}
    return {**success, "content": kinds if response is None else {"application/json": {}, **kinds}}


def _success(responses: Mapping[str, tuple[str, Any]] | None) -> dict[str, Any]:
    """The description of status 200. FastAPI adds the schema of JSON, from the route's model."""
    if responses is None:
        return {"description": "The result.", "headers": _HEADERS}
    content: dict[str, Any] = {"application/json": {}, "text/event-stream": {"schema": _events()}}
    for kind, description in _TEXTS.items():
        content[kind] = {"schema": {"type": "string", "description": description}}
    for name, (kind, value) in responses.items():
        content[kind].setdefault("examples", {})[name] = {"value": value}
    return {"description": "The text, in the requested format.", "content": content, "headers": _HEADERS}


def _events() -> dict[str, Any]:
    """The schema of one event of a stream, as OpenAPI 3.2 describes events."""
    payload = inlined(TypeAdapter(TextDelta | DiarizedSegment | TextDone | ErrorBody).json_schema())
    data = {
        "type": "string",
        "description": "Deltas in order and one `done` at the end, or an error if decoding fails.",
        "contentMediaType": "application/json",
        "contentSchema": payload,
    }
    return {
        "type": "object",
        "description": "One server-sent event. Comments are sent in between while there is no event.",
        "properties": {"data": data},
        "required": ["data"],
    }


def inlined(schema: Any, definitions: Any = None) -> Any:
    """A JSON schema with its references replaced, as the OpenAPI document has no component for them."""
    if isinstance(schema, list):
        return [inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = definitions or schema.get("$defs")
    if reference := schema.get("$ref"):
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return {**inlined(definitions[reference.rpartition("/")[2]], definitions), **beside}
    return {name: inlined(value, definitions) for name, value in schema.items() if name != "$defs"}
