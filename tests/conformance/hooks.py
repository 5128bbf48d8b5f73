"""Hooks of schemathesis, for what an OpenAPI document cannot express. test_openapi.py runs it with this module.

Binary data are recordings. In cases that are meant to be valid, fields are changed so that they agree with each other,
as their descriptions require; then the server must accept these cases. Every status must be documented by itself.
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
CALLBACK = "https://callback.invalid/"  # a name that never has an address
LANGUAGES = ("en", "French", "de-AT", "spanish")
SPEAKERS = (
    "diarize", "num_speakers", "min_speakers", "max_speakers", "known_speaker_names[]", "known_speaker_references[]",
)  # fmt: skip
CUES = {
    "subtitle_layout", "max_line_width", "max_line_count", "max_words_per_line", "min_display_seconds",
    "max_display_seconds", "reading_speed", "highlight_words",
}  # fmt: skip
UNAVAILABLE = {500, 503, 504}  # allowed when a server cannot serve requests; 500: the model failed

# A job is accepted; it may have no more events, no result yet, or failed.
JOB_STATUSES = {200, 202, 204, 409, 422}

MEANT_VALID = set[str]()  # ids of cases; schemathesis counts edited ones as invalid, as it cannot check bytes

# Its generator of wrong data cannot put bytes into a form, so BINARY is replaced at the end.
BINARY = "binary"
schemathesis.openapi.format("binary", st.just(BINARY))


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Leave unknown fields out, as the server ignores them: so the known ones are tried more often."""
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
        elif isinstance(case.body, dict) and case.path == "/":
            _understood(case.body)
        if case.path.endswith("/jobs") and isinstance(case.body, dict):
            _agree_for_a_job(case.body)
        if case.query:
            _agree_of_a_result(case.query)
    case.body = _with_recordings(case.body)


def _with_recordings(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_recordings(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_recordings(part) for part in value]
    return RECORDING if isinstance(value, str) and value == BINARY else value


def _understood(body: dict[str, Any]) -> None:
    """Put a recording and a language into the JSON of Hugging Face's clients."""
    body["inputs"] = base64.b64encode(RECORDING.data).decode()
    parameters = body.get("parameters")
    if isinstance(parameters, dict):
        if parameters.get("language"):
            parameters["language"] = "fr"
        _without_the_servers_words(parameters)
        _without_beams(parameters)


def _without_beams(fields: dict[str, Any]) -> None:
    """`n` counts beams, with `use_beam_search`."""
    if not fields.get("use_beam_search"):
        fields.pop("n", None)


def _without_the_servers_words(fields: dict[str, Any]) -> None:
    """The server has no list of words and no language model; the part that is transcribed lies in the recording."""
    for name in ("vocabulary[]", "profanity_filter", "postprocess[]", "start", "end"):
        fields.pop(name, None)


def _agree_for_cues(fields: dict[str, Any]) -> None:
    """Layouts are for subtitles, paragraphs for other text; a number of lines needs their width."""
    if CUES & fields.keys():
        fields["response_format"] = "srt"
        fields["subtitle_layout"] = "broadcast"
        for name in ("stream", "paragraphs", "min_display_seconds", "timestamp_granularities[]", "include[]"):
            fields.pop(name, None)
    elif fields.pop("paragraphs", None):
        fields["response_format"] = "verbose_json"
        fields["paragraphs"] = True


def _agree_for_a_job(form: dict[str, Any]) -> None:
    form.pop("stream", None)  # a job has events instead
    if form.get("callback_url"):
        form["callback_url"] = CALLBACK
    if form.get("task") == "translate":
        form.pop("timestamp_granularities[]", None)
        form.pop("include[]", None)


def _agree_of_a_result(query: dict[str, Any]) -> None:
    """What a result shows beyond segments has to be asked for when its job is submitted."""
    query.pop("include[]", None)
    _agree_for_cues(query)
    if "timestamp_granularities[]" in query:
        query["response_format"] = "verbose_json"
        query["timestamp_granularities[]"] = ["segment"]


def _with_one_source(form: dict[str, Any]) -> None:
    if (files := form.pop("files[]", None)) and not form.get("stream"):
        form.pop("file", None)
        form["files[]"] = [BINARY for _ in files]
    else:
        form["file"] = BINARY
    form.pop("url", None)
    form.pop("urls[]", None)
    if "audio_track" in form:
        form["audio_track"] = 0  # RECORDING has one


def _without_speakers(form: dict[str, Any]) -> None:
    """The server under test has no models to tell them apart, but channels it knows."""
    for name in SPEAKERS:
        form.pop(name, None)
    if form.get("response_format") == "diarized_json":
        form["multichannel"] = True


def _agree(form: dict[str, Any]) -> None:
    """Change the fields of a form so that they agree with each other, as their descriptions require."""
    _with_one_source(form)
    _without_beams(form)
    _without_the_servers_words(form)
    _agree_for_cues(form)
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
    _without_speakers(form)


@schemathesis.check
def accepted(ctx: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """A request that the document allows gets status 200; a model or a job in the path may be unknown."""
    if case.id in MEANT_VALID:
        allowed = JOB_STATUSES if "/jobs" in case.path or "job_id" in case.path_parameters else {200}
        assert response.status_code in (allowed | {404} if case.path_parameters else allowed), response.text


@schemathesis.check
def documented_status(ctx: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """The document lists the status for the operation; `default` does not count. Of 5xx only UNAVAILABLE may occur."""
    responses = case.operation.definition.raw["responses"]
    asked = case.operation.method.upper() == response.request.method
    if asked and response.status_code != 405:
        assert str(response.status_code) in responses, f"{response.status_code} is not documented"
    assert response.status_code < 500 or response.status_code in UNAVAILABLE - {500}


@schemathesis.check
def error_body(ctx: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Every error has OpenAI's body and a request id; 405 has the header allow, 503 has retry-after."""
    assert response.headers.get("x-request-id")
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/json"]
        body = json.loads(response.content)
        Error.model_validate(body)
        assert set(body["error"]) == {"message", "type", "param", "code"}
    assert ("allow" in response.headers) == (response.status_code == 405)
    assert ("retry-after" in response.headers) == (response.status_code == 503)
