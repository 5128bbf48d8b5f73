"""One request: outcomes from the responses of good servers and bad ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from endpoint.bench.client import Client, Failed, Outcome, read_event
from endpoint.errors import InvalidRequest, Unavailable
from endpoint.net import free_port
from tests.bench_support import REQUEST, ResponseModel, events, serving

OK = ResponseModel(b'{"text": " one two"}')
DELTA = 'data: {"type": "transcript.text.delta", "delta": "%s"}'
DONE = 'data: {"type": "transcript.text.done", "text": "one two"}'
CHUNK = 'data: {"object": "transcription.chunk", "choices": [{"delta": {"content": %s}}]}'


@asynccontextmanager
async def asking(*responses: ResponseModel, stream: bool = False) -> AsyncIterator[Client]:
    with serving(*responses) as (base, _):
        async with Client(base, api_key="secret", timeout=10, stream=stream) as client:
            yield client


async def ask(*responses: ResponseModel, stream: bool = False) -> Outcome:
    async with asking(*responses, stream=stream) as client:
        return await client.ask(REQUEST)


async def test_an_outcome_has_its_text_and_times() -> None:
    found = await ask(OK)
    assert (found.text, found.failure, found.first) == (" one two", "", None)
    assert found.intended == found.sent < found.done


async def test_latency_counts_from_when_it_was_due() -> None:
    async with asking(OK) as client:
        found = await client.ask(REQUEST, intended=0.0)
    assert found.latency == found.done > found.sent > 0


async def test_the_request_is_what_was_encoded() -> None:
    with serving(OK) as (base, asked):
        async with Client(base, api_key="secret", timeout=10, stream=False) as client:
            await client.ask(REQUEST)
    ((path, headers, body),) = asked
    assert (path, body) == ("/v1/audio/transcriptions", REQUEST.body)
    assert headers["Content-Type"] == REQUEST.content_type
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (ResponseModel(b"{}", status=503), "status 503"),
        (ResponseModel(b"plain"), "no JSON with a text"),
        (ResponseModel(b'{"error": 1}'), "no JSON with a text"),
        (ResponseModel(b'{"text"', cut=True), "connection lost"),
    ],
)
async def test_failures_have_their_kind(response: ResponseModel, kind: str) -> None:
    found = await ask(response)
    assert (found.failure, found.text) == (kind, "")


async def test_a_server_that_is_not_there_is_a_failure_too() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}/v1", api_key="x", timeout=5, stream=False) as client:
        assert (await client.ask(REQUEST)).failure == "no connection"
        with pytest.raises(Unavailable, match="is the server running"):
            await client.model()
        with pytest.raises(Unavailable, match="is the server running"):
            await client.check(REQUEST)


# ---- streams ----------------------------------------------------------------------------------------


async def test_a_stream_is_put_together_and_its_first_text_timed() -> None:
    found = await ask(events([": ping", DELTA % "one", DELTA % " two", DONE, "data: [DONE]"]), stream=True)
    assert (found.text, found.failure) == ("one two", "")
    assert found.first is not None
    assert found.sent < found.first <= found.done


async def test_vllms_chunks_are_read() -> None:
    response = events([CHUNK % "null", CHUNK % '" one"', CHUNK % '" two"', "data: [DONE]"])
    assert (await ask(response, stream=True)).text == " one two"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (events([DELTA % "one"]), "stream cut short"),
        (events([DELTA % "one", 'data: {"error": {"message": "no"}}']), "error in the stream"),
        (events(["data: {"]), "an event that is none"),
        (events(["data: []"]), "an event that is none"),
        (ResponseModel(b"{}", status=400), "status 400"),
    ],
)
async def test_broken_streams_are_failures(response: ResponseModel, kind: str) -> None:
    assert (await ask(response, stream=True)).failure == kind


def test_lines_that_are_no_data_say_nothing() -> None:
    for line in ("", ": ping", "event: message"):
        assert read_event(line) == ("", False)
    assert read_event(DONE) == ("", True)
    with pytest.raises(Failed):
        read_event('data: {"type": "transcript.text.delta"}')


# ---- before the clock runs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "name"),
    [
        (ResponseModel(b'{"data": [{"id": "large"}, {"id": "other"}]}'), "large"),
        (ResponseModel(b'{"data": []}'), "whisper-1"),
        (ResponseModel(b"nothing", status=404), "whisper-1"),
        (ResponseModel(b"[]"), "whisper-1"),
    ],
)
async def test_the_model_is_the_one_that_is_served(response: ResponseModel, name: str) -> None:
    async with asking(response) as client:
        assert await client.model() == name


async def test_a_refusal_is_reported_in_the_servers_words() -> None:
    async with asking(ResponseModel(b'{"error": "not so"}', status=400)) as client:
        with pytest.raises(InvalidRequest, match=r"responded 400: .*not so"):
            await client.check(REQUEST)
    async with asking(OK) as client:
        await client.check(REQUEST)
