"""What schemathesis is told beside the OpenAPI document; test_openapi.py runs it with this module as its hooks.

Recordings stand for binary data. What the document says in words of fields beside each other is put right in cases that
are meant to be valid, so that these must be accepted. And statuses must be documented one by one.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.transport.serialization import Binary

from tests.conformance.contract import Error

RECORDING = Binary((Path(__file__).parents[1] / "audio" / "seven.ogg").read_bytes())
LANGUAGES = ("en", "French", "de-AT", "spanish")
UNAVAILABLE = {500, 503, 504}  # a server that cannot answer now; 500 where the model failed

MEANT_VALID = set[str]()  # ids of cases: to schemathesis an edited one counts as invalid, as it cannot check bytes

# Its generator of wrong data cannot have bytes within a form: they are put in at the end.
BINARY = "binary"
schemathesis.openapi.format("binary", st.just(BINARY))


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Unknown fields are ignored; left out, the known ones are tried more often."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            if form := content.get("multipart/form-data"):
                form["schema"]["additionalProperties"] = False


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: Any) -> None:
    if case.meta and case.meta.generation.mode.is_positive:
        MEANT_VALID.add(case.id)
        if "model" in case.path_parameters and len(case.path_parameters["model"]) % 2:
            case.path_parameters["model"] = "whisper-1"
        if isinstance(case.body, dict) and case.media_type == "multipart/form-data":
            _agree(case.body)
        elif isinstance(case.body, dict):
            _understood(case.body)
    case.body = _with_recordings(case.body)


def _with_recordings(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_recordings(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_recordings(part) for part in value]
    return RECORDING if isinstance(value, str) and value == BINARY else value


def _understood(body: dict[str, Any]) -> None:
    """Make the JSON of Hugging Face's clients hold a recording and a language."""
    body["inputs"] = base64.b64encode(RECORDING.data).decode()
    if isinstance(parameters := body.get("parameters"), dict) and parameters.get("language"):
        parameters["language"] = "fr"


def _agree(form: dict[str, Any]) -> None:
    """Make the fields of a form agree with each other, as their descriptions ask for."""
    if (files := form.pop("files[]", None)) and not form.get("stream"):
        form.pop("file", None)
        form["files[]"] = [BINARY for _ in files]
    else:
        form["file"] = BINARY
    form.pop("url", None)
    if form.get("model"):
        form["model"] = "whisper-1"
    if form.get("language"):
        form["language"] = LANGUAGES[len(form["language"]) % len(LANGUAGES)]
        form.pop("languages[]", None)
    if "languages[]" in form:
        form["languages[]"] = [LANGUAGES[k % len(LANGUAGES)] for k, _ in enumerate(form["languages[]"])]
    if "timestamp_granularities[]" in form:
        form["response_format"] = "verbose_json"
        form.pop("include[]", None)
    if "include[]" in form:
        form["response_format"] = "json"
    if form.get("stream") and form.get("response_format") in ("srt", "vtt"):
        form["response_format"] = "text"
    if "keywords[]" in form:
        form["keywords[]"] = ["".join(c for c in word if c not in "<>\r\n") for word in form["keywords[]"]]
    if form.get("vad_filter", "") != "":
        form.pop("chunking_strategy", None)
    form.pop("diarize", None)  # described as not built


@schemathesis.check
def accepted(ctx: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """What the document allows is answered with 200; a model in the path may be unknown."""
    if case.id in MEANT_VALID:
        assert response.status_code in ((200, 404) if "model" in case.path_parameters else (200,)), response.text


@schemathesis.check
def documented_status(ctx: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """The status is listed by itself for the operation; `default` does not count. 5xx: only the ones there are."""
    responses = case.operation.definition.raw["responses"]
    asked = case.operation.method.upper() == response.request.method
    if asked and response.status_code != 405:
        assert str(response.status_code) in responses, f"{response.status_code} is not documented"
    assert response.status_code < 500 or response.status_code in UNAVAILABLE - {500}


@schemathesis.check
def error_body(ctx: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Every error has OpenAI's body and a request id, 405 says what is allowed, 503 when to come again."""
    assert response.headers.get("x-request-id")
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/json"]
        body = json.loads(response.content)
        Error.model_validate(body)
        assert set(body["error"]) == {"message", "type", "param", "code"}
    assert ("allow" in response.headers) == (response.status_code == 405)
    assert ("retry-after" in response.headers) == (response.status_code == 503)
