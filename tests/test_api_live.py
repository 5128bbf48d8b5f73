"""Behaviour that needs real connections, on a live server."""

import asyncio
import socket
import threading
import tracemalloc
from collections.abc import Iterator

import httpx
import pysubs2
import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, InternalServerError, NotFoundError, OpenAI

from endpoint.api import schemas, upload
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, assert_error, serve, wait_for

PATH = "/v1/audio/transcriptions"
START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
WHOLE = START + b"x\r\n--b--\r\n"


def request(body, length, more=""):
    """An upload in HTTP/1.1 of which `body` is sent, and `length` announced."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    return f"{head}Content-Length: {length}\r\n{more}\r\n".encode() + body


@pytest.fixture
def core():
    return StandIn()


@pytest.fixture
def url(core):
    with serve(core, max_upload_mb=1) as address:
        yield address


@pytest.fixture
def client(url):
    with OpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
        yield client


def connect(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=120)


@pytest.mark.parametrize("base", ["/v1", "/api/v1"])
def test_openai_client(core, client, url, base):
    client = client.with_options(base_url=url + base)
    create = client.audio.transcriptions.create

    response = create(file=AUDIO, model="whisper-1")
    assert response.text == TRANSCRIPT.text
    assert response._request_id
    schemas.Transcription.model_validate(response.to_dict(), strict=True)

    verbose = create(
        file=AUDIO,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["segment"],
        temperature=0,
    )
    schemas.VerboseTranscription.model_validate(verbose.to_dict(), strict=True)
    assert verbose.segments[1].end == 8.47

    assert create(file=AUDIO, model="whisper-1", response_format="text") == TRANSCRIPT.text + "\n"
    for form in ("srt", "vtt"):
        cues = pysubs2.SSAFile.from_string(create(file=AUDIO, model="whisper-1", response_format=form), format_=form)
        assert [(e.start, e.end, e.text) for e in cues] == [
            (s.start_ms, s.end_ms, s.text.strip()) for s in TRANSCRIPT.segments
        ]
    assert client.models.list().data[0].id == "whisper-test"
    assert client.models.retrieve("whisper-test").id == "whisper-test"
    assert {data for data, _ in core.calls} == {AUDIO}


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_openai_client_translates(core, client):
    assert client.audio.translations.create(file=AUDIO, model="whisper-1").text == TRANSCRIPT.text
    verbose = client.audio.translations.create(file=AUDIO, model="whisper-1", response_format="verbose_json")
    schemas.VerboseTranslation.model_validate(verbose.to_dict(), strict=True)


async def test_openai_async_client(url):
    async with AsyncOpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
        create = client.audio.transcriptions.create
        responses = await asyncio.gather(*(create(file=AUDIO, model="whisper-1") for _ in range(5)))
    assert {response.text for response in responses} == {TRANSCRIPT.text}


@pytest.mark.parametrize(
    ("options", "kind", "code"),
    [
        ({"model": "nonsense"}, NotFoundError, "model_not_found"),
        ({"temperature": 2}, BadRequestError, "invalid_value"),
        ({"known_speaker_names": ["Anna"]}, BadRequestError, "invalid_value"),
        ({"stream": True, "response_format": "srt"}, BadRequestError, "invalid_value"),
        ({"include": ["logprobs"], "response_format": "verbose_json"}, BadRequestError, "invalid_value"),
        ({"file": b"x" * 2_000_000}, APIStatusError, "file_too_large"),
    ],
)
def test_openai_client_sees_errors(client, options, kind, code):
    with pytest.raises(kind) as failure:
        client.audio.transcriptions.create(**{"file": AUDIO, "model": "whisper-1", **options})
    assert failure.value.code == code
    assert failure.value.request_id
    assert len(failure.value.message) > 20


def test_openai_client_sees_a_dead_engine(core, client):
    core.failure = RuntimeError("secret")
    with pytest.raises(InternalServerError) as failure:
        client.audio.transcriptions.create(file=AUDIO, model="whisper-1")
    assert "secret" not in str(failure.value)


def test_a_client_that_leaves_while_it_waits_stops_the_work(core, url):
    core.delay = 60
    for _ in range(20):
        with connect(url) as client:
            client.sendall(request(WHOLE, len(WHOLE)))
            wait_for(lambda: core.running == 1)
        wait_for(lambda: core.running == 0)
    assert core.cancelled == 20
    core.delay = 0
    assert httpx.post(url + PATH, files={"file": AUDIO}).status_code == 200


def test_a_client_that_leaves_while_it_uploads_gives_its_place_back():
    core = StandIn()
    with serve(core, max_concurrent_requests=1) as url:
        with connect(url) as client:
            client.sendall(request(START, 1000))
            wait_for(lambda: httpx.post(url + PATH, files={"file": AUDIO}).status_code == 503)
        wait_for(lambda: httpx.post(url + PATH, files={"file": AUDIO}).status_code == 200)
    assert len(core.calls) == 1


def test_a_slow_upload_costs_no_engine_time_and_is_cut_off(monkeypatch):
    monkeypatch.setattr(upload, "STALL_SECONDS", 0.3)
    core = StandIn()
    with serve(core, max_concurrent_requests=1) as url, connect(url) as client:
        client.sendall(request(START, 1000))
        assert b"504" in client.recv(4096).split(b"\r\n")[0]
        assert httpx.post(url + PATH, files={"file": AUDIO}).status_code == 200
    assert len(core.calls) == 1


def test_overload_is_reported_before_the_body():
    core = StandIn(delay=60)
    with serve(core, max_concurrent_requests=1) as url, connect(url) as first, connect(url) as second:
        first.sendall(request(WHOLE, len(WHOLE)))
        wait_for(lambda: core.running == 1)
        second.sendall(request(START, 1000))
        response = second.recv(4096)
        assert response.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in response
        first.close()
        wait_for(lambda: core.running == 0)


def test_too_large_by_its_length_is_refused_before_the_body(core, url):
    with connect(url) as client:
        client.sendall(request(b"", 5_000_000, "Expect: 100-continue\r\n"))
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_too_large_without_a_length_is_cut(core, url):
    def body():
        yield START
        for _ in range(400):
            yield b"x" * 100_000

    tracemalloc.start()
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = httpx.post(url + PATH, content=body(), headers=headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_error(response, 413, "file_too_large", "file")
    assert peak < 16_000_000
    assert not core.calls


def test_health_responds_while_large_files_arrive():
    """`make feed` measures how fast it responds."""
    core = StandIn()
    go, halfway = threading.Event(), [threading.Event(), threading.Event()]

    def body(reached: threading.Event) -> Iterator[bytes]:
        yield START
        for part in range(40):
            yield b"\r\n--c" * 100_000  # nearly the boundary
            if part == 20:
                reached.set()
                assert go.wait(120)
        yield b"\r\n--b--\r\n"

    def send(reached: threading.Event, responses: list[int]) -> None:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        responses.append(httpx.post(url + PATH, content=body(reached), headers=headers, timeout=120).status_code)

    with serve(core, max_upload_mb=64) as url:
        responses: list[int] = []
        threads = [threading.Thread(target=send, args=(reached, responses)) for reached in halfway]
        for thread in threads:
            thread.start()
        assert all(reached.wait(120) for reached in halfway)
        assert httpx.get(url + "/health", timeout=120).status_code == 200
        go.set()
        for thread in threads:
            thread.join(120)
    assert responses == [200, 200]
    assert len(core.calls) == 2


def test_the_core_is_closed_at_shutdown(core):
    with serve(core) as url:
        assert httpx.get(url + "/ready").status_code == 200
    assert core.closed


def test_health_when_the_model_cannot_be_loaded():
    core = StandIn()
    core.start_failure = RuntimeError("no such file: /secret")
    with serve(core) as url:
        wait_for(lambda: "engine_failed" in httpx.get(url + "/health").text)
        response = httpx.get(url + "/health")
        assert "secret" not in assert_error(response, 503, "engine_failed")


def test_a_recording_is_fetched_from_its_url(core, url):
    body = b"RIFF, over there"
    with socket.create_server(("127.0.0.2", 0)) as site, serve(core, url_networks="127.0.0.2/32") as open_to_it:
        port = site.getsockname()[1]

        def respond():
            connection, _ = site.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

        at = f"http://127.0.0.2:{port}/a.wav"
        refused = httpx.post(f"{url}/v1/audio/transcriptions", files={"url": (None, at)})
        assert_error(refused, 400, "url_refused", "url")
        both = httpx.post(f"{url}/v1/audio/transcriptions", data={"url": at}, files={"file": AUDIO})
        assert_error(both, 400, "invalid_value", "url")
        assert core.calls == []
        thread = threading.Thread(target=respond)
        thread.start()
        response = httpx.post(f"{open_to_it}/v1/audio/transcriptions", files={"url": (None, at)})
        thread.join()
    assert response.status_code == 200
    assert [data for data, _ in core.calls] == [body]
