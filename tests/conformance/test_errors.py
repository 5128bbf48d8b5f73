"""Every class of error, as the clients see it: the exception, its fields, and what a retry does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from endpoint.errors import EngineFailed
from tests.api_support import StandIn, serve
from tests.conformance.clients import AUDIO, TRANSCRIBE, TRANSLATE, Client, Failure
from tests.conformance.conftest import KEY
from tests.conformance.contract import check_error
from tests.conformance.report import FOLDER
from tests.recordings import tone, wav
from tests.servers import running_server

CALLS = pytest.mark.parametrize("call", [TRANSCRIBE, TRANSLATE], ids=["transcription", "translation"])
UPLOAD = (
    "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    'Content-Length: 1000\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
)


def check(failed: Failure, kind: str, status: int, code: str, param: str | None = None) -> None:
    assert failed.kind == kind
    assert failed.status == status
    assert (failed.code, failed.param) == (code, param)
    assert failed.type == ("invalid_request_error" if status < 500 else "server_error")
    assert failed.request_id == failed.headers["x-request-id"]
    assert failed.headers["content-type"] == "application/json"
    message = check_error({"error": failed.body}, code, param)
    assert message in failed.text
    assert ("retry-after" in failed.headers) == (status == 503)


@pytest.fixture(scope="module")
def full() -> Iterator[str]:
    with running_server(FOLDER / "full.log", engine="fake", max_concurrent_requests=1) as base:
        yield base


@pytest.fixture(scope="module")
def hasty() -> Iterator[str]:
    with running_server(FOLDER / "hasty.log", engine="fake", request_timeout_seconds=0.001) as base:
        yield base


@pytest.fixture(scope="module")
def failing() -> Iterator[str]:
    """A server whose model decodes two segments, and then dies."""
    core = StandIn()
    core.failure = EngineFailed("The model died.")
    with serve(core) as base:
        yield base


@contextmanager
def taken(base: str, seconds: float) -> Iterator[None]:
    """An upload that stops holds a permit, for at most `seconds`."""
    url = urlsplit(base)
    assert url.hostname
    assert url.port
    with socket.create_connection((url.hostname, url.port), timeout=10) as upload:
        upload.sendall(UPLOAD.encode())
        time.sleep(0.2)
        timer = threading.Timer(seconds, lambda: upload.shutdown(socket.SHUT_RDWR))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


@CALLS
@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
    ],
    ids=str,
)
def test_400(client: Client, fake: str, call: str, options: dict[str, object], param: str) -> None:
    """400: a field with a wrong value"""
    check(client(fake, call=call, **options).failed, "BadRequestError", 400, "invalid_value", param)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        (
            {"response_format": "yaml"},
            "response_format",
        ),  # in translations, client 1.68.0 ends in a NameError of its own
        ({"language": "klingon"}, "language"),
        ({"languages": ["en", "klingon"]}, "languages[]"),
        ({"timestamp_granularities": ["letter"], "response_format": "verbose_json"}, "timestamp_granularities[]"),
        ({"include": ["everything"]}, "include[]"),
        ({"stream": "perhaps"}, "stream"),
    ],
    ids=str,
)
def test_400_of_transcriptions(client: Client, fake: str, options: dict[str, object], param: str) -> None:
    """400: a field of transcriptions alone"""
    check(client(fake, **options).failed, "BadRequestError", 400, "invalid_value", param)


@CALLS
@pytest.mark.parametrize("content", [b"", b"no audio at all", b"RIFF1234WAVEfmt "], ids=["empty", "text", "cut"])
def test_400_no_audio(client: Client, fake: str, call: str, content: bytes, tmp_path: Path) -> None:
    """400: a file that is no audio"""
    file = tmp_path / "a.wav"
    file.write_bytes(content)
    code = "invalid_audio" if content else "empty_file"
    check(client(fake, call=call, file=file).failed, "BadRequestError", 400, code, "file")


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ({"response_format": "diarized_json"}, "speakers_not_installed", "diarize"),
        ({"known_speaker_names": ["agent"]}, "invalid_value", "known_speaker_references[]"),
        ({"known_speaker_references": ["data:audio/wav;base64,AA=="]}, "invalid_value", "known_speaker_references[]"),
    ],
    ids=str,
)
def test_400_speakers(client: Client, fake: str, options: dict[str, object], code: str, param: str) -> None:
    """400: speakers where their models are not installed, and known ones that are not complete"""
    check(client(fake, **options).failed, "BadRequestError", 400, code, param)


@CALLS
@pytest.mark.parametrize("key", ["sk-wrong", f"{KEY}x", KEY[:-1]])
def test_401(client: Client, keyed: str, call: str, key: str) -> None:
    """401: a wrong key, which the message does not repeat"""
    failed = client(keyed, call=call, connection={"api_key": key}).failed
    check(failed, "AuthenticationError", 401, "invalid_api_key")
    assert failed.headers["www-authenticate"] == "Bearer"
    assert key not in failed.text


def test_the_right_key(client: Client, keyed: str) -> None:
    """The right key is accepted"""
    assert client(keyed, connection={"api_key": KEY}).ok.value["text"]
    assert client(keyed, call="models.list", file=None, connection={"api_key": KEY}).ok.value["data"]


@CALLS
def test_404_model(client: Client, fake: str, call: str) -> None:
    """404: a model that is not served"""
    failed = client(fake, call=call, model="somebody-elses").failed
    check(failed, "NotFoundError", 404, "model_not_found", "model")


def test_404_route(client: Client, fake: str) -> None:
    """404: an unknown route"""
    check(client(fake + "/elsewhere/v1").failed, "NotFoundError", 404, "not_found")
    check(client(fake, call="files.list", file=None).failed, "NotFoundError", 404, "not_found")


def test_405(client: Client, fake: str) -> None:
    """405: a method that a route does not have, with Allow"""
    failed = client(fake, "whisper-1", call="models.delete", file=None).failed
    check(failed, "APIStatusError" if client.is_python else "APIError", 405, "method_not_allowed")
    assert "GET" in failed.headers["allow"]


@CALLS
@pytest.mark.parametrize("how", ["tuple", "bytes", "open"])
def test_413_bytes(client: Client, fake: str, call: str, how: str, tmp_path: Path) -> None:
    """413: a file of too many bytes"""
    file = tmp_path / "large.wav"
    file.write_bytes(bytes(2_000_000))
    failed = client(fake, call=call, file=file, how=how).failed
    check(failed, "APIStatusError" if client.is_python else "APIError", 413, "file_too_large", "file")


@CALLS
def test_413_seconds(client: Client, fake: str, call: str, tmp_path: Path) -> None:
    """413: a recording of too many seconds"""
    file = tmp_path / "long.wav"
    file.write_bytes(wav(tone(8_000, 25)[:, None], 8_000))
    failed = client(fake, call=call, file=file).failed
    check(failed, "APIStatusError" if client.is_python else "APIError", 413, "audio_too_long", "file")


@CALLS
def test_503_full(client: Client, full: str, call: str) -> None:
    """503: a server that is full, with Retry-After"""
    with taken(full, 30):
        failed = client(full, call=call).failed
    check(failed, "InternalServerError", 503, "overloaded")
    assert 1 <= int(failed.headers["retry-after"]) <= 60


def test_retry(client: Client, full: str) -> None:
    """A client that retries waits for Retry-After, and gets the text"""
    with taken(full, 2):
        began = time.monotonic()
        response = client(full, way="raw", connection={"max_retries": 2}).ok
    waited = time.monotonic() - began
    assert response.value["text"]
    assert 3 < waited < 15  # the 5 s of Retry-After, not the client's own 0.5 s
    if client.is_python:
        assert response.retries == 1


def test_retries_end(client: Client, full: str) -> None:
    """A client that retries once raises the error if the server is still full"""
    with taken(full, 15):
        failed = client(full, connection={"max_retries": 1}).failed
    check(failed, "InternalServerError", 503, "overloaded")


@CALLS
def test_504(client: Client, hasty: str, call: str) -> None:
    """504: a request that takes longer than it may"""
    check(client(hasty, call=call, file=AUDIO / "talk.ogg").failed, "InternalServerError", 504, "timeout")


@CALLS
def test_500(client: Client, failing: str, call: str) -> None:
    """500: the model died"""
    check(client(failing, call=call).failed, "InternalServerError", 500, "engine_failed")


def test_error_in_a_stream(client: Client, failing: str) -> None:
    """An error in the middle of a stream is raised, with its message and code"""
    failed = client(failing, stream=True).failed
    assert failed.kind == "APIError"
    assert "The model died." in failed.text
    assert (failed.code, failed.type) == ("engine_failed", "server_error")
    check_error({"error": failed.body}, "engine_failed", None)


def test_timeout_of_the_client(client: Client, full: str) -> None:
    """A client that gives up by itself does no harm"""
    assert "APIConnectionError" in client(full, connection={"timeout": 0.001}).failed.bases
    assert client(full, connection={"max_retries": 2}).ok.value["text"]
