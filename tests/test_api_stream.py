"""Streams and lists of files: endpoint.api.stream and endpoint.api.respond."""

import asyncio
import json

import httpx
import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, OpenAI

from endpoint.api import schemas, stream
from endpoint.core.transcriber import transcribe
from endpoint.errors import EngineFailed, InvalidAudio
from endpoint.options import Options
from tests.api_support import AUDIO, REFUSED, TRANSCRIPT, StandIn, assert_error, client_of, serve, wait_for
from tests.test_text_events import parsed

PATH = "/v1/audio/transcriptions"


@pytest.fixture
def core():
    return StandIn()


@pytest.fixture
def url(core):
    with serve(core, request_timeout_seconds=3) as address:
        yield address


def bodies(text):
    return parsed(text.replace(": ping\n\n", "").encode())


@pytest.mark.parametrize("name", ["transcriptions", "translations"])
async def test_a_stream(core, name):
    async with client_of(core) as client:
        files = {"file": ("a.wav", AUDIO)}
        response = await client.post(f"/v1/audio/{name}", files=files, data={"stream": "true"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert "content-length" not in response.headers
    assert response.headers["x-request-id"]
    *deltas, done = bodies(response.text)
    assert [delta["type"] for delta in deltas] == ["transcript.text.delta"] * 2
    assert "".join(delta["delta"] for delta in deltas) == done["text"] == TRANSCRIPT.text
    schemas.TextDone.model_validate(done, strict=True)


def test_the_official_client_streams(url):
    with OpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
        events = list(client.audio.transcriptions.create(file=AUDIO, model="whisper-1", stream=True))
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert events[-1].text == TRANSCRIPT.text
    assert events[-1].usage.total_tokens == 436


async def test_the_first_delta_comes_before_the_end(core, url):
    core.delay = 60
    async with AsyncOpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
        events = await client.audio.transcriptions.create(file=AUDIO, model="whisper-1", stream=True)
        async with asyncio.timeout(60):
            first = await anext(aiter(events))
        assert first.delta == "Hello wörld."
        assert core.running == 1
        await events.close()
    await asyncio.to_thread(wait_for, lambda: core.cancelled == 1, 1.0)


def test_a_failure_after_the_first_delta_is_an_event(core, url):
    core.failure = EngineFailed("the engine stopped")
    with OpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
        events = iter(client.audio.transcriptions.create(file=AUDIO, model="whisper-1", stream=True))
        assert next(events).delta
        assert next(events).delta
        with pytest.raises(APIError, match="the engine stopped"):
            next(events)


@pytest.mark.parametrize("failure", [RuntimeError("secret"), EngineFailed("gone")])
def test_the_error_event_has_openais_body(core, url, failure):
    core.failure = failure
    with httpx.Client(base_url=url) as client:
        response = client.post(PATH, files={"file": AUDIO}, data={"stream": "true"})
    *_, last = bodies(response.text)
    assert set(last) == {"error"}
    schemas.ErrorBody.model_validate(last, strict=True)
    assert "secret" not in response.text


def test_a_deadline_that_passes_is_an_event(core, url):
    core.delay = 60
    with httpx.Client(base_url=url, timeout=20) as client:
        response = client.post(PATH, files={"file": AUDIO}, data={"stream": "true"})
    assert bodies(response.text)[-1]["error"]["code"] == "timeout"
    assert core.cancelled == 1


async def test_failures_before_the_first_event_keep_their_status(core):
    async with client_of(core) as client:

        async def post(file, **fields):
            return await client.post(PATH, files={"file": ("a.wav", file)}, data={"stream": "true", **fields})

        assert_error(await post(REFUSED), 400, "invalid_audio", "file")
        assert_error(await post(AUDIO, response_format="srt"), 400, "invalid_value", "stream")
        assert_error(await post(AUDIO, model="nonsense"), 404, "model_not_found", "model")
    async with client_of(core, max_concurrent_requests=1) as client:
        core.delay = 60
        first = asyncio.create_task(client.post(PATH, files={"file": AUDIO}, data={"stream": "true"}))
        await asyncio.to_thread(wait_for, lambda: core.running == 1)
        assert_error(await client.post(PATH, files={"file": AUDIO}), 503, "overloaded")  # the stream holds its permit
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        core.delay = 0
        assert (await client.post(PATH, files={"file": AUDIO})).status_code == 200


async def test_pings_while_nothing_happens(core, monkeypatch):
    monkeypatch.setattr(stream.EventStream, "ping_seconds", 0.05)
    core.delay = 0.5
    async with client_of(core) as client:
        response = await client.post(PATH, files={"file": AUDIO}, data={"stream": "true"})
    assert response.text.count(": ping\n\n") >= 3
    assert len(bodies(response.text)) == 3


def test_a_client_that_leaves_a_stream_stops_the_work(core, url):
    core.delay = 60
    with httpx.Client(base_url=url) as client:
        for _ in range(10):
            with client.stream("POST", PATH, files={"file": AUDIO}, data={"stream": "true"}) as response:
                next(response.iter_bytes())
            wait_for(lambda: core.running == 0)
    assert core.cancelled == 10


async def test_several_files_each_with_its_own_result(core):
    files = [("files[]", ("a.wav", AUDIO)), ("files[]", ("b.wav", REFUSED)), ("files[]", ("c.wav", AUDIO))]
    async with client_of(core) as client:
        response = await client.post(PATH, files=files, data={"response_format": "verbose_json"})
        texts = await client.post(PATH, files=files[:1], data={"response_format": "srt"})
        assert_error(await client.post(PATH, files=files, data={"stream": "true"}), 400, "invalid_value", "stream")
        for path in ("/v1/audio/detect-language", "/transcribe"):
            assert_error(await client.post(path, files=files), 400, "invalid_value", "file")
    assert response.status_code == 200
    schemas.FileResults.model_validate(response.json(), strict=True)
    rows = response.json()["data"]
    assert [(row["index"], row["filename"], row["status"]) for row in rows] == [
        (0, "a.wav", 200),
        (1, "b.wav", 400),
        (2, "c.wav", 200),
    ]
    assert rows[0]["result"]["segments"]
    assert rows[1]["error"]["code"] == "invalid_audio"
    assert texts.json()["data"][0]["result"].startswith("1\n00:00:00,000 --> ")


async def test_several_files_go_side_by_side_and_one_crash_is_one_result(core):
    core.delay = 0.3
    files = [("file", (f"{k}.wav", AUDIO)) for k in range(5)]
    async with client_of(core) as client:
        asking = asyncio.create_task(client.post(PATH, files=files))
        await asyncio.to_thread(wait_for, lambda: core.running == 5)
        assert (await asking).status_code == 200
        core.failure = RuntimeError("secret")
        response = await client.post(PATH, files=files)
    assert [row["status"] for row in json.loads(response.text)["data"]] == [500] * 5
    assert "secret" not in response.text


def test_the_official_client_gets_an_error_for_what_cannot_be_streamed(url):
    with OpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client, pytest.raises(BadRequestError):
        client.audio.transcriptions.create(file=AUDIO, model="whisper-1", stream=True, response_format="vtt")


def test_a_stand_in_refuses_as_the_decoder_does():
    with pytest.raises(InvalidAudio):
        asyncio.run(transcribe(StandIn(), REFUSED, Options()))
