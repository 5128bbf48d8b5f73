"""Ways to call a client: the ways to pass a file, raw and streamed responses, request ids, models."""

from __future__ import annotations

import json

import pytest

from tests.conformance.clients import AUDIO, TRANSLATE, Client, ResponseModel
from tests.conformance.contract import FORMATS, MEDIA_TYPES, MODELS, Model, ModelList, check_error, check_response

REFERENCE = json.loads((AUDIO / "transcripts.json").read_text())
SEVEN = REFERENCE["seven.wav"]

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("how", ["path", "open", "bytes", "tuple", "typed tuple", "buffer", "nameless"])
def test_ways_of_a_file(client: Client, real: str, how: str) -> None:
    """A file as path, open file, bytes, named tuple, with a media type, or an object without a name"""
    assert client(real, how=how).ok.value["text"] == SEVEN


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_containers(client: Client, real: str, name: str) -> None:
    """flac, mp3, mp4, m4a, ogg, wav and webm"""
    assert client(real, file=AUDIO / name).ok.value["text"].split() == REFERENCE[name].split()


@pytest.mark.parametrize("form", FORMATS)
def test_raw_response(client: Client, real: str, form: str) -> None:
    """with_raw_response: headers, id and the parsed value"""
    response = client(real, way="raw", response_format=form).ok
    assert check_response(form, response.value) == SEVEN
    assert response.request_id == response.headers["x-request-id"]
    if client.is_python:
        assert response.retries == 0
        check_response(form, json.loads(response.body) if "json" in form else response.body)


@pytest.mark.parametrize("form", FORMATS)
def test_streaming_response(client: Client, real: str, form: str) -> None:
    """with_streaming_response: the body read in pieces"""
    response = client(real, way="streaming_response", response_format=form).ok
    assert response.status == 200
    assert response.headers["content-type"] == MEDIA_TYPES[form]
    assert check_response(form, json.loads(response.body) if "json" in form else response.body) == SEVEN


def test_request_ids(client: Client, real: str) -> None:
    """Each response has a request id of its own, which the client shows as _request_id"""
    ids = [client(real, call=call).ok.request_id for call in (TRANSLATE, "audio.transcriptions.create")]
    ids.append(client(real, model="nonsense").failed.request_id)
    assert all(ids)
    assert len(set(ids)) == 3


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_base_urls(client: Client, real: str, prefix: str) -> None:
    """base_url may end in /v1 or /api/v1"""
    assert client(real + prefix).ok.value["text"] == SEVEN


@pytest.mark.parametrize("model", MODELS)
def test_openai_models(client: Client, real: str, model: str) -> None:
    """OpenAI's model names mean the served model"""
    assert client(real, model=model).ok.value["text"] == SEVEN
    assert Model.model_validate(client(real, model, call="models.retrieve", file=None).ok.value)


def test_models(client: Client, real: str) -> None:
    """models.list and models.retrieve; the names listed are served"""
    listed = client(real, call="models.list", file=None).ok.value
    # JavaScript's page keeps more than the body.
    models = ModelList.model_validate({name: listed[name] for name in ("object", "data") if name in listed})
    for model in models.data:
        found = client(real, model.id, call="models.retrieve", file=None).ok.value
        assert Model.model_validate(found) == model
        assert client(real, model=model.id).ok.value["text"] == SEVEN
    failed = client(real, "nonsense", call="models.retrieve", file=None).failed
    assert failed.kind == "NotFoundError"


def test_while_loading(client: Client, real: str, loading: dict[str, ResponseModel]) -> None:
    """While the model loads: 503 with Retry-After, as an InternalServerError"""
    failed = loading[client.name].failed
    assert (failed.kind, failed.status) == ("InternalServerError", 503)
    assert int(failed.headers["retry-after"]) >= 1
    check_error(failed.body if "error" in failed.body else {"error": failed.body}, "model_loading", None)
