"""The OpenAPI document is complete and correct: its examples work, its schemas are valid, its error codes exist."""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, ValidationError

from endpoint.access.meter import LedgerMeter
from endpoint.access.usage_sqlite import SqliteLedger
from endpoint.api.examples import FILE
from endpoint.api.openapi import CODES, JOB_CODES
from endpoint.errors import EndpointError
from tests.api_support import StandIn, app_of
from tests.jobs_memory import memory_jobs
from tests.servers import running_server

RECORDING = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
PACKAGE = Path(__file__).parents[1] / "endpoint"
OF_SOCKETS = {PACKAGE / "api" / "live_socket.py", *PACKAGE.joinpath("live").rglob("*.py")}  # OpenAPI has no sockets
SOURCES = [path for path in PACKAGE.rglob("*.py") if path not in OF_SOCKETS]
METER = LedgerMeter(SqliteLedger(Path("none.db")), Path("none"))  # never opened
API: dict[str, Any] = app_of(StandIn(), jobs=memory_jobs(), meter=METER).openapi()
POSTS = {path: operations["post"] for path, operations in API["paths"].items() if "post" in operations}
FORMS = {
    path: post["requestBody"]["content"]["multipart/form-data"]
    for path, post in POSTS.items()
    if "multipart/form-data" in post.get("requestBody", {}).get("content", {})
}
# Codes that these routes do not use: those of the router, and of a failed start.
ELSEWHERE = {"not_found", "method_not_allowed", "invalid_settings", "invalid_request", "limit_reached"}


def valid(schema: Any, value: Any) -> None:
    Draft202012Validator({**schema, "components": API["components"]}).validate(value)


def described(schema: Any, where: str) -> Iterator[str]:
    """Properties without a description, at any depth of a schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from described(item, where)
    if not isinstance(schema, dict):
        return
    for name, part in schema.get("properties", {}).items():
        if not part.get("description"):
            yield f"{where}.{name}"
    for key, value in schema.items():
        yield from described(value, f"{where}.{key}" if key not in ("properties", "schema") else where)


def test_every_field_is_described() -> None:
    assert list(described(API["components"]["schemas"], "")) == []
    assert list(described(POSTS, "")) == []
    for path, form in FORMS.items():
        for name, field in form["schema"]["properties"].items():
            optional = name not in form["schema"].get("required", ())  # without a default: absent
            assert name in ("file", "files[]") or "default" in field or optional, f"{path}: {name}"


def test_every_operation_is_described() -> None:
    for path, operations in API["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert operation["responses"]["default"]["content"]["application/json"]["schema"], path
            assert all(parameter["description"] for parameter in operation.get("parameters", [])), path
    assert {"/health", "/ready", "/version", "/", "/v1/models", "/v1/models/{model}"} < set(API["paths"])
    assert next(iter(API["paths"])) == "/api/v1/audio/transcriptions"
    assert "/v1/audio/transcriptions" in API["paths"]


def test_the_document_needs_nothing_else() -> None:
    text = json.dumps(API)
    assert "://" not in text
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', text)):
        assert reference.removeprefix("#/components/schemas/") in API["components"]["schemas"]
    for form in FORMS.values():
        Draft202012Validator.check_schema(form["schema"])


def test_whole_bounds_are_integers() -> None:
    """A float would round the largest of 64 bits up."""
    assert re.findall(r'"(?:exclusive)?(?:minimum|maximum)": [^,}]*(?:\.0|e)[,}]', json.dumps(API), re.IGNORECASE) == []
    form = FORMS["/v1/audio/transcriptions"]["schema"]
    Draft202012Validator(form).validate({"file": "", "seed": 2**63 - 1})
    with pytest.raises(ValidationError):
        Draft202012Validator(form).validate({"file": "", "seed": 2**63})


@pytest.mark.parametrize("name", ["transcriptions", "translations"])
def test_every_kind_of_response_is_described(name: str) -> None:
    post = POSTS[f"/v1/audio/{name}"]
    kinds = {"application/json", "text/plain", "text/vtt", "text/event-stream"}
    assert set(post["responses"]["200"]["content"]) == kinds
    assert {"400", "401", "404", "413", "500", "503", "504"} < set(post["responses"])
    fields = FORMS[f"/v1/audio/{name}"]["schema"]["properties"]
    assert {"file", "files[]", "url", "stream"} < set(fields)
    assert ("languages[]" in fields) == (name == "transcriptions")


def codes() -> set[str]:
    """Every error code in the source: attributes of error classes, and arguments."""
    found = {kind.code for kind in _below(EndpointError)}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                found.add(node.value.value)
    return found


def _below(kind: type[EndpointError]) -> set[type[EndpointError]]:
    return {kind}.union(*(_below(child) for child in kind.__subclasses__()))


def test_every_code_is_documented() -> None:
    assert {code for group in JOB_CODES.values() for code in group} == codes() - ELSEWHERE
    for status, group in CODES.items():
        text = POSTS["/v1/audio/transcriptions"]["responses"][str(status)]["description"]
        assert all(f"`{code}`" in text for code in group)


# ---- examples -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(tmp_path_factory.mktemp("openapi") / "output.txt", engine="fake") as base:
        yield base


def post(base: str, path: str, fields: dict[str, Any]) -> httpx.Response:
    """Post an example as clients write forms, with recordings for its files."""
    files, data = list[Any](), dict[str, Any]()
    for name, value in fields.items():
        if name in ("file", "files[]"):
            files += [(name, (FILE, RECORDING)) for _ in (value if isinstance(value, list) else [value])]
        elif isinstance(value, dict):
            data |= {f"{name}[{inner}]": str(part) for inner, part in value.items()}
        else:
            data[name] = value
    return httpx.post(base + path, files=files, data=data, timeout=60)


def shape(value: Any) -> Any:
    """Names and types of a JSON value, of the first item of a list."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value[:1]]
    return float if type(value) is int else type(value)


def events(text: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]


EXAMPLES = [(path, name) for path, form in FORMS.items() for name in form.get("examples", ())]


def test_every_form_has_examples() -> None:
    assert {path for path, _ in EXAMPLES} == set(FORMS)


def success(path: str) -> str:
    """The status of a request that succeeds: a job is accepted."""
    return "202" if "202" in POSTS[path]["responses"] else "200"


@pytest.mark.parametrize(("path", "name"), EXAMPLES)
def test_examples_run(server: str, path: str, name: str) -> None:
    """Each is valid under the document's schema, and gets the status and the response that the document shows."""
    fields = FORMS[path]["examples"][name]["value"]
    valid(FORMS[path]["schema"], fields)
    response = post(server, path.replace("{model}", "whisper-1"), fields)
    assert response.status_code == int(success(path)), response.text
    kind = response.headers["content-type"].partition(";")[0]
    documented = POSTS[path]["responses"][success(path)]["content"][kind]
    shown = documented.get("examples", {}).get(name, {}).get("value")
    if kind == "application/json":
        valid(documented["schema"], response.json())
        assert shown is None or shape(response.json()) == shape(shown)
    elif kind == "text/event-stream":
        payload = documented["schema"]["properties"]["data"]["contentSchema"]
        for event in events(response.text):
            valid(payload, event)
        assert shown is None or shape(events(response.text)[-1]) == shape(events(shown)[-1])
    elif shown is not None:
        words = re.compile(r"[a-z]+( [a-z]+)*|\d")
        assert words.sub("x", response.text) == words.sub("x", shown)


@pytest.mark.parametrize("path", FORMS)
def test_shown_responses_are_valid(path: str) -> None:
    for kind, documented in POSTS[path]["responses"][success(path)]["content"].items():
        for name, example in documented.get("examples", {}).items():
            assert name in FORMS[path]["examples"]
            if kind == "text/event-stream":
                for event in events(example["value"]):
                    valid(documented["schema"]["properties"]["data"]["contentSchema"], event)
            else:
                valid(documented["schema"], example["value"])


def test_hugging_faces_json(server: str) -> None:
    schema = POSTS["/"]["requestBody"]["content"]["application/json"]["schema"]
    body = {"inputs": base64.b64encode(RECORDING).decode(), "parameters": {"return_timestamps": "word"}}
    valid(schema, body)
    response = httpx.post(server, json=body, timeout=60)
    valid(POSTS["/"]["responses"]["200"]["content"]["application/json"]["schema"], response.json())


def test_the_server_shows_this_document(server: str) -> None:
    shown = httpx.get(f"{server}/openapi.json", timeout=60).json()
    assert shown == json.loads(json.dumps(API))
