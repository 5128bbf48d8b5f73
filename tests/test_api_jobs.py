"""Jobs over HTTP: how they are submitted, looked at, listed, cancelled and deleted; and what OpenAPI has of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from endpoint.api.job_forms import JobForm, ResultQuery, parse_query
from endpoint.api.job_schemas import AudioJob, DeletedJob, JobList
from endpoint.call import Priority
from endpoint.jobs.job import BYTES_PER_SECOND, Job, Status
from endpoint.jobs.service import Jobs
from endpoint.options import Task, VadOptions
from endpoint.outgoing import OutgoingPolicy
from tests.api_support import AUDIO, StandIn, app_of, assert_error, client_of
from tests.jobs_memory import MemorySpool, MemoryStore, end_next, memory_jobs
from tests.test_api_openapi import described

PATH = "/v1/audio/jobs"
FILE = {"file": ("talk.wav", AUDIO)}
URL = "https://example.com/talk.mp3"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def spool() -> MemorySpool:
    return MemorySpool()


@pytest.fixture
def jobs(store: MemoryStore, spool: MemorySpool) -> Jobs:
    return memory_jobs(store=store, spool=spool)


@pytest.fixture
async def client(jobs: Jobs) -> Any:
    async with client_of(StandIn(), jobs=jobs) as made:
        yield made


async def submitted(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    response = await client.post(PATH, **{"files": FILE} | more)
    assert response.status_code == 202, response.text
    body: dict[str, Any] = response.json()
    AudioJob.model_validate(body)
    return body


# ---- submission -----------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
async def test_a_job_is_kept_with_its_file(
    client: httpx.AsyncClient, store: MemoryStore, spool: MemorySpool, prefix: str
) -> None:
    response = await client.post(f"{prefix}/audio/jobs", files=FILE)
    body = response.json()
    AudioJob.model_validate(body)
    assert response.status_code == 202
    assert response.headers["location"] == f"{prefix}/audio/jobs/{body['id']}"
    assert (await client.get(response.headers["location"])).json() == body
    assert (body["status"], body["model"], body["queue"]["position"]) == ("queued", "whisper-test", 0)
    (job,) = store.jobs.values()
    assert list(spool.files.values()) == [AUDIO]
    assert (job.files[0].name, job.files[0].source) == ("talk.wav", next(iter(spool.files)))
    assert job.files[0].guess_ms == len(AUDIO) * 1000 // BYTES_PER_SECOND


async def test_the_fields_of_a_transcription_and_of_a_job(client: httpx.AsyncClient, store: MemoryStore) -> None:
    data = {
        "language": "German",
        "timestamp_granularities[]": ["word"],
        "include[]": "logprobs",
        "response_format": "srt",
        "vad_filter": "false",
        "metadata": '{"order": [7, "ä"]}',
        "priority": "high",
        "callback_url": "https://example.com/hook",
        "nonsense": "1",
    }
    body = await submitted(client, data=data)
    (job,) = store.jobs.values()
    assert (job.options.language, job.options.words, job.options.logprobs, job.options.vad) == ("de", True, True, None)
    assert (job.priority, job.callback_url, job.metadata) == (Priority.HIGH, data["callback_url"], {"order": [7, "ä"]})
    assert (body["priority"], body["metadata"]) == ("high", {"order": [7, "ä"]})
    assert [warning["param"] for warning in body["warnings"]] == ["nonsense"]
    plain = await submitted(client)
    assert "warnings" not in plain
    assert store.jobs[plain["id"]].options.vad == VadOptions()


async def test_a_translation(client: httpx.AsyncClient, store: MemoryStore) -> None:
    body = await submitted(client, data={"task": "translate"})
    assert store.jobs[body["id"]].options.task is Task.TRANSLATE
    for more in ({"timestamp_granularities[]": "word"}, {"include[]": "logprobs"}):
        response = await client.post(PATH, files=FILE, data={"task": "translate", **more})
        assert_error(response, 400, "invalid_value", "task")


async def test_several_files_and_several_addresses(client: httpx.AsyncClient, store: MemoryStore) -> None:
    files = [("files[]", ("a.wav", AUDIO)), ("files[]", ("b.wav", AUDIO))]
    body = await submitted(client, files=files)
    assert [file["name"] for file in body["files"]] == ["a.wav", "b.wav"]
    named = await client.post(PATH, files=[("url", (None, URL))])
    (file,) = store.jobs[named.json()["id"]].files
    assert (file.source, file.url) == (URL, True)
    several = await client.post(PATH, files=[("urls[]", (None, URL)), ("urls[]", (None, f"{URL}?a,b"))])
    assert [file.source for file in store.jobs[several.json()["id"]].files] == [URL, f"{URL}?a,b"]


@pytest.mark.parametrize(
    ("data", "param", "code"),
    [
        ({"metadata": "[1]"}, "metadata", "invalid_value"),
        ({"metadata": "{"}, "metadata", "invalid_value"),
        ({"metadata": '{"a": NaN}'}, "metadata", "invalid_value"),
        ({"metadata": '{"a": 1e999}'}, "metadata", "invalid_value"),
        ({"metadata": '{"a": "\\ud800"}'}, "metadata", "invalid_value"),
        ({"metadata": json.dumps({"a": "x" * 4096})}, "metadata", "invalid_value"),
        ({"metadata": '{"a":' + "[" * 2000 + "]" * 2000 + "}"}, "metadata", "invalid_value"),
        ({"priority": "urgent"}, "priority", "invalid_value"),
        ({"task": "sing"}, "task", "invalid_value"),
        ({"stream": "true"}, "stream", "invalid_value"),
        ({"url": URL}, "url", "invalid_value"),
        ({"callback_url": "ftp://example.com"}, "callback_url", "url_refused"),
        ({"callback_url": "http://127.0.0.1/"}, "callback_url", "url_refused"),
        ({"diarize": "false", "num_speakers": "2"}, "num_speakers", "invalid_value"),
    ],
)
async def test_what_is_refused(
    client: httpx.AsyncClient, store: MemoryStore, spool: MemorySpool, data: Any, param: str, code: str
) -> None:
    assert_error(await client.post(PATH, files=FILE, data=data), 400, code, param)
    assert not store.jobs
    assert not spool.files


@pytest.mark.parametrize("url", ["talk.mp3", "file:///etc/passwd", "http://", "http://[", "https:///x"])
async def test_what_is_no_address(client: httpx.AsyncClient, url: str) -> None:
    assert_error(await client.post(PATH, files=[("url", (None, url))]), 400, "invalid_value", "url")
    assert_error(await client.post(PATH, files=[("urls[]", (None, url))]), 400, "invalid_value", "urls[]")


async def test_a_form_without_a_recording(client: httpx.AsyncClient) -> None:
    assert_error(await client.post(PATH, files=[("language", (None, "en"))]), 400, "missing_file", "file")


async def test_a_model_that_is_not_served(client: httpx.AsyncClient, spool: MemorySpool) -> None:
    assert_error(await client.post(PATH, files=FILE, data={"model": "x"}), 404, "model_not_found", "model")
    assert not spool.files


async def test_policy_of_the_callback(store: MemoryStore) -> None:
    jobs = memory_jobs(store=store, policy=OutgoingPolicy.parse("", "127.0.0.0/8"))
    async with client_of(StandIn(), jobs=jobs) as client:
        await submitted(client, data={"callback_url": "http://127.0.0.1:9/"})


async def test_a_draining_server_takes_no_jobs(jobs: Jobs) -> None:
    app = app_of(StandIn(), jobs=jobs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        kept = await submitted(client)
        app.state.server.draining = True
        assert_error(await client.post(PATH, files=FILE), 503, "stopping")
        assert (await client.get(f"{PATH}/{kept['id']}")).status_code == 200


async def test_without_jobs_there_are_no_routes() -> None:
    async with client_of(StandIn()) as client:
        assert_error(await client.post(PATH, files=FILE), 404, "not_found")
        assert_error(await client.get("/results/job_1"), 404, "not_found")


# ---- idempotency ----------------------------------------------------------------------------------


async def test_the_same_key_and_request_give_the_same_job(
    client: httpx.AsyncClient, store: MemoryStore, spool: MemorySpool
) -> None:
    headers = {"Idempotency-Key": "order 7"}
    first = await submitted(client, headers=headers, data={"language": "en", "prompt": "x"})
    again = await submitted(client, headers=headers, data={"prompt": "x", "language": "en"})
    assert again["id"] == first["id"]
    assert len(store.jobs) == len(spool.files) == 1
    for more in ({"data": {"language": "de", "prompt": "x"}}, {"files": {"file": ("talk.wav", AUDIO + b".")}}):
        response = await client.post(PATH, headers=headers, **{"files": FILE} | more)
        assert_error(response, 422, "idempotency_mismatch", "Idempotency-Key")
    assert len(store.jobs) == len(spool.files) == 1
    assert (await submitted(client, headers={"Idempotency-Key": "order 8"}))["id"] != first["id"]
    assert (await submitted(client))["id"] != (await submitted(client))["id"]


async def test_fifty_equal_requests_at_once_give_one_job(
    client: httpx.AsyncClient, store: MemoryStore, spool: MemorySpool
) -> None:
    headers = {"Idempotency-Key": "order 7"}
    bodies = await asyncio.gather(*(submitted(client, headers=headers) for _ in range(50)))
    assert len({body["id"] for body in bodies}) == len(store.jobs) == len(spool.files) == 1


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "schlüssel"])
async def test_keys_are_short_and_plain(client: httpx.AsyncClient, key: str) -> None:
    response = await client.post(PATH, files=FILE, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert_error(response, 400, "invalid_value", "Idempotency-Key")


# ---- what there is --------------------------------------------------------------------------------


async def test_a_job_that_is_not_there(client: httpx.AsyncClient) -> None:
    for path in (f"{PATH}/job_1", f"{PATH}/job_1/result", f"{PATH}/job_1/events", "/results/job_1"):
        assert_error(await client.get(path), 404, "job_not_found")
    assert_error(await client.post(f"{PATH}/job_1/cancel"), 404, "job_not_found")


async def test_a_finished_job_is_shown_as_it_ended(client: httpx.AsyncClient, store: MemoryStore) -> None:
    first, second = await submitted(client), await submitted(client)
    assert second["queue"]["position"] == 1
    await end_next(store)
    body = (await client.get(f"{PATH}/{first['id']}")).json()
    AudioJob.model_validate(body)
    assert (body["status"], body["progress"]["fraction"], body["queue"]) == ("succeeded", 1.0, None)
    assert body["usage"]["seconds"] == 8


async def test_pages_of_jobs(client: httpx.AsyncClient, store: MemoryStore) -> None:
    empty = (await client.get(PATH)).json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    for number in range(5):
        await store.submit(Job(f"job_{number}", ()))
    store.jobs["job_3"] = Job("job_3", (), status=Status.FAILED)

    async def page(**query: Any) -> tuple[list[str], bool]:
        body = (await client.get(PATH, params=query)).json()
        JobList.model_validate(body)
        ids = [job["id"] for job in body["data"]]
        assert (body["first_id"], body["last_id"]) == (ids[0], ids[-1])
        return ids, body["has_more"]

    assert await page() == ([f"job_{number}" for number in (4, 3, 2, 1, 0)], False)
    assert await page(limit=2) == (["job_4", "job_3"], True)
    assert await page(limit=3, after="job_3") == (["job_2", "job_1", "job_0"], False)
    assert await page(order="asc", limit=1, after="job_0") == (["job_1"], True)
    assert await page(status="failed", after="") == (["job_3"], False)


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=101", "limit"), ("order=up", "order"), ("status=x", "status")]
)
async def test_a_page_that_there_is_not(client: httpx.AsyncClient, query: str, param: str) -> None:
    assert_error(await client.get(f"{PATH}?{query}"), 400, "invalid_value", param)


async def test_cancelling_and_deleting_can_be_repeated(
    client: httpx.AsyncClient, store: MemoryStore, spool: MemorySpool
) -> None:
    job = f"{PATH}/{(await submitted(client))['id']}"
    for _ in range(2):
        body = (await client.post(f"{job}/cancel")).json()
        AudioJob.model_validate(body)
        assert body["status"] == "cancelled"
    assert not spool.files
    assert store.forgotten
    for _ in range(2):
        response = await client.delete(job)
        assert response.status_code == 200
        DeletedJob.model_validate(response.json())
    assert_error(await client.get(job), 404, "job_not_found")


async def test_a_finished_job_cannot_be_cancelled(client: httpx.AsyncClient, store: MemoryStore) -> None:
    job = (await submitted(client))["id"]
    await end_next(store)
    assert (await client.post(f"{PATH}/{job}/cancel")).json()["status"] == "succeeded"


async def test_a_store_that_is_away(client: httpx.AsyncClient, store: MemoryStore, spool: MemorySpool) -> None:
    store.down = True
    for method, path in (
        ("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/x"), ("DELETE", f"{PATH}/x"), ("POST", f"{PATH}/x/cancel"),
        ("GET", f"{PATH}/x/result"), ("GET", f"{PATH}/x/events"), ("GET", "/results/x"),
    ):  # fmt: skip
        files = FILE if (method, path) == ("POST", PATH) else None
        assert_error(await client.request(method, path, files=files), 503, "store_unavailable")
    store.down, spool.down = False, True
    assert_error(await client.post(PATH, files=FILE), 503, "store_unavailable")
    assert not store.jobs


# ---- OpenAPI --------------------------------------------------------------------------------------


def test_the_document_has_all_of_it() -> None:
    document = app_of(StandIn(), jobs=memory_jobs()).openapi()
    assert list(described(document, "")) == []
    assert "://" not in json.dumps(document)
    paths = {path: operations for path, operations in document["paths"].items() if "jobs" in path or "results" in path}
    assert {path for path in paths if not path.startswith("/api")} == {
        PATH, f"{PATH}/{{job_id}}", f"{PATH}/{{job_id}}/result", f"{PATH}/{{job_id}}/events",
        f"{PATH}/{{job_id}}/cancel", f"{PATH}/{{job_id}}/requeue", "/results/{job_id}",
    }  # fmt: skip
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["description"]
            assert {"503", "401", "default"} < set(operation["responses"]), path
            assert all(parameter["description"] for parameter in operation.get("parameters", ()))
    post = paths[PATH]["post"]
    assert set(post["responses"]) >= {"202", "400", "422"}
    assert "location" in post["responses"]["202"]["headers"]
    fields = post["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"file", "files[]", "url", "urls[]", "callback_url", "metadata", "priority", "task"} < set(fields)
    assert set(fields) - {"file", "files[]"} == {info.alias or name for name, info in JobForm.model_fields.items()}


@pytest.mark.parametrize("name", ["words", "english", "several"])
async def test_examples_can_be_submitted(client: httpx.AsyncClient, name: str) -> None:
    document = app_of(StandIn(), jobs=memory_jobs()).openapi()
    body = document["paths"][PATH]["post"]["requestBody"]["content"]["multipart/form-data"]
    fields = dict(body["examples"][name]["value"])
    files = [(key, ("audio.mp3", AUDIO)) for key in ("file", "files[]") for _ in range(2 if key in fields else 0)]
    data = {
        key: json.dumps(value) if isinstance(value, dict) else value
        for key, value in fields.items()
        if key not in ("file", "files[]")
    }
    await submitted(client, files=files if "files[]" in fields else files[:1], data=data)


def test_a_query_is_read_as_forms_are() -> None:
    sent = [("responseFormat", "verbose_json"), ("timestamp_granularities", "word,segment"), ("file", ""), ("x", "1")]
    query, notices = parse_query(ResultQuery, sent)
    assert (query.response_format, query.timestamp_granularities, query.file) == (
        "verbose_json", ("word", "segment"), None,
    )  # fmt: skip
    assert [notice.param for notice in notices] == ["x"]
