"""What comes of a job over HTTP: its result in any format, and its events."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from endpoint.api import jobs as routes
from endpoint.api import stream
from endpoint.api.job_schemas import EVENT_TYPES
from endpoint.api.schemas import FileResults, Transcription, VerboseTranscription
from endpoint.jobs.job import Failure, Job, JobFile
from endpoint.jobs.view import dumps
from endpoint.options import Options, Task
from endpoint.types import Notice
from tests.api_support import TRANSCRIPT, WORDS, StandIn, app_of, assert_error, client_of, serve, wait_for
from tests.jobs_memory import MemoryStore, end_next, memory_jobs

JOB = Job("job_1", (JobFile("a.wav", "s1"),), created_at=time.time())
SEVERAL = replace(JOB, files=(JobFile("a.wav", "s1"), JobFile("b.wav", "s2"), JobFile("c.wav", "s3")))
PATH = "/v1/audio/jobs/job_1"
NO_AUDIO = Failure("no audio", "no_audio", param="file")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def client(store: MemoryStore) -> Any:
    async with client_of(StandIn(), jobs=memory_jobs(store=store)) as made:
        yield made


# ---- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["json", "text", "srt", "verbose_json", "vtt"])
async def test_any_format_as_transcriptions_have_it(client: httpx.AsyncClient, store: MemoryStore, name: str) -> None:
    await store.submit(JOB)
    await end_next(store)
    response = await client.get(f"{PATH}/result", params={"response_format": name})
    async with client_of(StandIn()) as other:
        files, data = {"file": b"x"}, {"response_format": name}
        direct = await other.post("/v1/audio/transcriptions", files=files, data=data)
    assert (response.status_code, response.content) == (200, direct.content)
    assert response.headers["content-type"] == direct.headers["content-type"]


async def test_the_format_is_json_unless_it_is_named(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    await end_next(store)
    Transcription.model_validate((await client.get(f"{PATH}/result")).json(), strict=True)
    response = await client.get(f"{PATH}/result?response_format=odt")
    assert_error(response, 400, "invalid_value", "response_format")


async def test_words_are_there_if_they_were_asked_for(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(replace(JOB, options=Options(words=True)))
    await end_next(store, replace(TRANSCRIPT, words=WORDS))

    async def keys(*granularities: str) -> set[str]:
        query = {"response_format": "verbose_json", "timestamp_granularities[]": granularities}
        body = (await client.get(f"{PATH}/result", params=query)).json()
        VerboseTranscription.model_validate(body)
        return set(body) & {"segments", "words"}

    assert await keys() == await keys("segment", "word") == {"segments", "words"}
    assert await keys("word") == {"words"}
    assert await keys("segment") == {"segments"}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"response_format": "verbose_json", "timestamp_granularities[]": "word"}, "timestamp_granularities[]"),
        ({"include[]": "logprobs"}, "include[]"),
        ({"timestamp_granularities[]": "segment"}, "timestamp_granularities[]"),
        ({"response_format": "text", "include[]": "logprobs"}, "include[]"),
        ({"file": "-1"}, "file"),
    ],
)
async def test_what_a_result_cannot_have(
    client: httpx.AsyncClient, store: MemoryStore, query: dict[str, str], param: str
) -> None:
    await store.submit(JOB)
    await end_next(store)
    assert_error(await client.get(f"{PATH}/result", params=query), 400, "invalid_value", param)


async def test_scores_are_there_if_they_were_asked_for(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(replace(JOB, options=Options(logprobs=True)))
    await end_next(store)
    assert (await client.get(f"{PATH}/result", params={"include[]": "logprobs"})).json()["logprobs"] == []


async def test_warnings_of_both_requests(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    await end_next(store, replace(TRANSCRIPT, notices=(Notice("damaged", "Sound is missing."),)))
    body = (await client.get(f"{PATH}/result?nonsense=1")).json()
    assert [warning["code"] for warning in body["warnings"]] == ["unknown_field", "damaged"]
    response = await client.get(f"{PATH}/result?response_format=srt&nonsense=1")
    assert [row["code"] for row in json.loads(response.headers["x-warnings"])] == ["unknown_field", "damaged"]


async def test_a_translation(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(replace(JOB, options=Options(task=Task.TRANSLATE)))
    await end_next(store, replace(TRANSCRIPT, task=Task.TRANSLATE))
    assert (await client.get(f"{PATH}/result")).json() == {"text": TRANSCRIPT.text}


async def test_several_files(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(SEVERAL)
    await end_next(store, errors={1: NO_AUDIO})
    for query in ({}, {"response_format": "vtt"}):
        body = (await client.get(f"{PATH}/result", params=query)).json()
        FileResults.model_validate(body)
        rows = [(row["index"], row["filename"], row["status"]) for row in body["data"]]
        assert rows == [(0, "a.wav", 200), (1, "b.wav", 400), (2, "c.wav", 200)]
        assert body["data"][1]["error"]["code"] == "no_audio"
    one = await client.get(f"{PATH}/result", params={"file": 2, "response_format": "text"})
    assert one.text == f"{TRANSCRIPT.text}\n"
    assert_error(await client.get(f"{PATH}/result?file=1"), 400, "no_audio", "file")
    assert_error(await client.get(f"{PATH}/result?file=3"), 404, "file_not_found", "file")


async def test_before_the_end_and_long_after_it(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    assert_error(await client.get(f"{PATH}/result"), 409, "job_not_finished")
    await end_next(store)
    store.jobs["job_1"] = replace(store.jobs["job_1"], expires_at=1.0)
    assert_error(await client.get(f"{PATH}/result"), 410, "result_expired")
    store.jobs["job_1"] = replace(store.jobs["job_1"], expires_at=None)
    store.results.clear()
    assert_error(await client.get(f"{PATH}/result"), 410, "result_expired")


async def test_a_cancelled_job_has_no_result(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    await store.cancel("job_1")
    for path in (f"{PATH}/result", "/results/job_1"):
        assert_error(await client.get(path), 409, "job_cancelled")


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (NO_AUDIO, 400),
        (Failure("too long", "audio_too_long", param="file"), 413),
        (Failure("the engine stopped", "engine_failed", "server_error"), 500),
        (Failure("three workers were lost", "worker_lost", "server_error"), 500),
        (Failure("a code of another version", "new_code"), 422),
        (Failure("the same", "new_code", "server_error"), 500),
    ],
)
async def test_a_failed_job_gives_its_error(
    client: httpx.AsyncClient, store: MemoryStore, failure: Failure, status: int
) -> None:
    await store.submit(JOB)
    await end_next(store, error=failure)
    for path in (f"{PATH}/result", "/results/job_1"):
        assert assert_error(await client.get(path), status, failure.code, failure.param) == failure.message


async def test_the_polling_address_of_older_services(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    response = await client.get("/results/job_1")
    assert (response.status_code, response.json()) == (202, {"status": "queued"})
    await end_next(store)
    VerboseTranscription.model_validate((await client.get("/results/job_1")).json())
    assert (await client.get("/results/job_1?response_format=text")).text == f"{TRANSCRIPT.text}\n"


# ---- events ---------------------------------------------------------------------------------------


def parsed(text: str) -> list[tuple[int, str, Any]]:
    """(number, type, data) of each event."""
    events = list[tuple[int, str, Any]]()
    for frame in text.replace(": ping\n\n", "").split("\n\n")[:-1]:
        number, kind, data = frame.split("\n")
        events.append((int(number[4:]), kind[7:], json.loads(data[6:])))
        assert (number[:4], kind[:7], data[:6]) == ("id: ", "event: ", "data: ")
    return events


async def worked_on(store: MemoryStore) -> None:
    """Progress, a segment, and the end."""
    claim = await store.claim("test")
    assert claim is not None
    segment = dumps({"text": " Hello\nwörld."})
    await store.update(claim, claim.job, [("job.progress", dumps({"fraction": 0.5})), ("transcript.segment", segment)])
    await store.release(claim)
    await end_next(store)


async def test_events_from_the_beginning_to_the_end(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    await worked_on(store)
    response = await client.get(f"{PATH}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = parsed(response.text)
    assert [number for number, _, _ in events] == [1, 2, 3, 4]
    kinds = [kind for _, kind, _ in events]
    assert kinds == ["job.queued", "job.progress", "transcript.segment", "job.succeeded"]
    assert set(kinds) < set(EVENT_TYPES)
    assert events[2][2] == {"text": " Hello\nwörld."}
    assert events[3][2]["status"] == "succeeded"


async def test_events_after_the_last_one_known(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    await worked_on(store)
    for headers, query in (({"Last-Event-ID": "2"}, {}), ({}, {"after": 2}), ({"Last-Event-ID": "2"}, {"after": 1})):
        response = await client.get(f"{PATH}/events", headers=headers, params=query)
        assert [number for number, _, _ in parsed(response.text)] == [3, 4]
    assert (await client.get(f"{PATH}/events?after=4")).status_code == 204
    for headers, query in (({"Last-Event-ID": "x"}, {}), ({}, {"after": "-1"})):
        response = await client.get(f"{PATH}/events", headers=headers, params=query)
        assert_error(response, 400, "invalid_value", "after")


async def test_events_come_as_they_happen(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream.EventStream, "ping_seconds", 0.01)
    await store.submit(JOB)

    def follow(url: str) -> None:
        with httpx.stream("GET", f"{url}{PATH}/events", timeout=120) as response:
            for line in response.iter_lines():
                lines.append(line)

    lines = list[str]()
    with serve(StandIn(), jobs=memory_jobs(store=store)) as url:
        thread = threading.Thread(target=follow, args=[url])
        thread.start()
        await asyncio.to_thread(wait_for, lambda: "event: job.queued" in lines)
        await asyncio.to_thread(wait_for, lambda: ": ping" in lines)
        assert not any("succeeded" in line for line in lines)
        await worked_on(store)
        await asyncio.to_thread(thread.join, 120)
        assert not thread.is_alive()
    assert [line for line in lines if line.startswith("id: ")] == [f"id: {number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("end", ["cancel", "delete", "drain", "fail"])
async def test_a_stream_ends(store: MemoryStore, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(routes, "POLL_SECONDS", 0.01)
    await store.submit(JOB)
    app = app_of(StandIn(), jobs=memory_jobs(store=store))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        following = asyncio.create_task(client.get(f"{PATH}/events"))
        await asyncio.sleep(0)
        match end:
            case "cancel":
                await store.cancel("job_1")
            case "delete":
                await store.delete("job_1")
            case "drain":
                app.state.server.draining = True
            case "fail":
                await end_next(store, error=NO_AUDIO)
        response = await following
    kinds = [kind for _, kind, _ in parsed(response.text)] if response.status_code == 200 else []
    assert kinds[1:] == {"cancel": ["job.cancelled"], "fail": ["job.failed"]}.get(end, [])


async def test_a_job_that_is_queued_again_goes_on(client: httpx.AsyncClient, store: MemoryStore) -> None:
    await store.submit(JOB)
    await end_next(store, error=NO_AUDIO)
    await store.requeue("job_1")
    await end_next(store)
    kinds = [kind for _, kind, _ in parsed((await client.get(f"{PATH}/events")).text)]
    assert kinds == ["job.queued", "job.failed", "job.succeeded"]


async def test_a_store_that_goes_away_ends_the_stream(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "POLL_SECONDS", 0.01)
    await store.submit(JOB)
    get, calls = store.get, list[str]()

    async def last(job_id: str) -> Job | None:
        calls.append(job_id)
        store.down = len(calls) > 3
        return await get(job_id)

    monkeypatch.setattr(store, "get", last)
    async with client_of(StandIn(), jobs=memory_jobs(store=store)) as client:
        response = await client.get(f"{PATH}/events")
    assert json.loads(response.text.split("data: ")[-1])["error"]["code"] == "store_unavailable"
