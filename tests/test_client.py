"""The client of jobs, against a live server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from endpoint import client as client_module
from endpoint import client_values
from endpoint.api import job_schemas, stream
from endpoint.client import AsyncClient, Client, RequestFailed, verify_webhook
from endpoint.errors import InvalidRequest, StoreUnavailable
from endpoint.jobs.job import Failure, Priority, Status
from endpoint.jobs.view import dumps
from endpoint.net import free_port
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, serve
from tests.jobs_memory import MemorySpool, MemoryStore, end_next, memory_jobs

NO_AUDIO = Failure("no audio", "no_audio", param="file")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "POLL_SECONDS", 0.01)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def spool() -> MemorySpool:
    return MemorySpool()


@pytest.fixture
def url(store: MemoryStore, spool: MemorySpool) -> Iterator[str]:
    with serve(StandIn(), jobs=memory_jobs(store=store, spool=spool)) as address:
        yield f"{address}/v1"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


def end(store: MemoryStore, **how: Any) -> None:
    asyncio.run(end_next(store, **how))


def test_a_job_from_its_submission_to_its_end(client: Client, store: MemoryStore, spool: MemorySpool) -> None:
    job = client.submit(AUDIO, language="en", metadata={"order": 7}, timestamp_granularities=["word"], vad_filter=False)
    kept = store.jobs[job["id"]]
    assert (kept.options.language, kept.options.words, kept.options.vad) == ("en", True, None)
    assert job["metadata"] == {"order": 7}
    assert list(spool.files.values()) == [AUDIO]
    seen = list[str]()

    def progress(shown: client_values.Job) -> None:
        if not seen:
            threading.Thread(target=end, args=[store]).start()
        seen.append(shown["status"])

    assert client.wait(job["id"], on_progress=progress)["status"] == "succeeded"
    assert (seen[0], seen[-1]) == ("queued", "succeeded")
    assert client.get(job["id"])["finished_at"]
    assert client.result(job["id"])["text"] == TRANSCRIPT.text
    assert client.result(job["id"], "text") == f"{TRANSCRIPT.text}\n"
    words = client.result(job["id"], "verbose_json", timestamp_granularities=["segment", "word"])
    assert len(words["segments"]) == 2


def test_ways_to_give_recordings(client: Client, store: MemoryStore, spool: MemorySpool, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(AUDIO)
    with path.open("rb") as file:
        jobs = [client.submit(given) for given in (path, str(path), file, [path, AUDIO])]
    names = [[file["name"] for file in job["files"]] for job in jobs]
    assert names == [["talk.wav"], ["talk.wav"], ["talk.wav"], ["talk.wav", "audio"]]
    assert set(spool.files.values()) == {AUDIO}
    named = client.submit(url="https://example.com/a.mp3", priority="high")
    several = client.submit(url=["https://example.com/a.mp3", "https://example.com/b.mp3"])
    assert store.jobs[named["id"]].priority is Priority.HIGH
    assert [file["name"] for file in several["files"]] == ["https://example.com/a.mp3", "https://example.com/b.mp3"]
    with pytest.raises(RequestFailed, match="No such file"):
        client.submit(tmp_path / "nothing.wav")


def test_the_same_key_gives_the_same_job(client: Client) -> None:
    first = client.submit(AUDIO, idempotency_key="k")
    assert client.submit(AUDIO, idempotency_key="k")["id"] == first["id"]
    with pytest.raises(RequestFailed) as caught:
        client.submit(AUDIO + b".", idempotency_key="k")
    assert (caught.value.status, caught.value.code) == (422, "idempotency_mismatch")
    assert not caught.value.temporary


def test_pages_cancelling_and_deleting(client: Client) -> None:
    ids = [client.submit(AUDIO)["id"] for _ in range(3)]
    page = client.list(limit=2)
    assert [job["id"] for job in page["data"]] == ids[:0:-1]
    assert page["has_more"]
    assert [job["id"] for job in client.list(limit=2, after=page["last_id"])["data"]] == ids[:1]
    assert client.cancel(ids[0])["status"] == "cancelled"
    assert [job["id"] for job in client.list("cancelled")["data"]] == ids[:1]
    client.delete(ids[0])
    client.delete(ids[0])
    with pytest.raises(RequestFailed) as caught:
        client.get(ids[0])
    assert (caught.value.status, caught.value.code) == (404, "job_not_found")


def test_a_failed_job(client: Client, store: MemoryStore) -> None:
    job = client.submit(AUDIO)
    end(store, error=NO_AUDIO)
    assert client.wait(job["id"])["error"] == {"message": "no audio", "type": "invalid_request_error",
                                               "param": "file", "code": "no_audio"}  # fmt: skip
    with pytest.raises(RequestFailed, match="no audio") as caught:
        client.result(job["id"])
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "no_audio", "file")
    with pytest.raises(RequestFailed, match="response_format"):
        client.result(job["id"], "odt")


def test_waiting_has_an_end(client: Client) -> None:
    job = client.submit(AUDIO)
    with pytest.raises(TimeoutError):
        client.wait(job["id"], timeout=0.05)


def test_events_one_by_one(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream.EventStream, "ping_seconds", 0.01)
    job = client.submit(AUDIO)
    coming = client.events(job["id"])
    assert next(coming).type == "job.queued"
    store.note(job["id"], "job.progress", dumps({"fraction": 0.5}))
    event = next(coming)
    assert (event.number, event.type, event.data) == (2, "job.progress", {"fraction": 0.5})
    end(store)
    (last,) = coming
    assert (last.type, last.data["status"]) == ("job.succeeded", "succeeded")
    assert [event.number for event in client.events(job["id"], after=2)] == [3]
    assert list(client.events(job["id"], after=3)) == []
    with pytest.raises(RequestFailed, match="no job"):
        list(client.events("job_0"))


async def test_events_go_on_after_a_connection_that_broke(url: str, store: MemoryStore) -> None:
    """The store goes away on the way, which ends the stream with an error, and comes back."""
    events, broken = store.events, list[int]()

    async def at_times(job_id: str, after: int = 0, limit: int = 1000) -> Any:
        if after and not broken:
            broken.append(after)
            raise StoreUnavailable("away")
        return await events(job_id, after, limit)

    store.events = at_times  # type: ignore[method-assign]
    async with AsyncClient(url) as client:
        job = await client.submit(AUDIO)
        numbers = list[int]()
        async for event in client.events(job["id"]):
            numbers.append(event.number)
            if event.number == 1:
                store.note(job["id"], "job.progress", b"{}")
                await end_next(store)
    assert numbers == [1, 2, 3]
    assert broken == [1]


def test_a_loop_that_stops_early_closes_the_connection(client: Client) -> None:
    job = client.submit(AUDIO)
    for _ in client.events(job["id"]):
        break
    assert client.get(job["id"])["status"] == "queued"


async def test_the_other_client_has_the_same_methods(url: str, store: MemoryStore) -> None:
    async with AsyncClient(url) as client:
        job = await client.submit(AUDIO)
        waiting = asyncio.create_task(client.wait(job["id"], timeout=120))
        await end_next(store)
        assert (await waiting)["status"] == "succeeded"
        assert (await client.list())["data"][0]["id"] == job["id"]
    methods = {name for name in vars(AsyncClient) if not name.startswith("_")}
    assert methods == {name for name in vars(Client) if not name.startswith("_")}


def test_a_server_that_is_away(url: str, store: MemoryStore) -> None:
    with Client(f"http://127.0.0.1:{free_port()}/v1") as client:
        for call in (lambda: client.get("x"), lambda: client.wait("x")):
            with pytest.raises(RequestFailed) as caught:
                call()
            assert (caught.value.status, caught.value.temporary) == (None, True)
    with Client(url) as client:
        job = client.submit(AUDIO)
        seen = threading.Event()
        found = list[client_values.Job]()
        work = threading.Thread(target=lambda: found.append(client.wait(job["id"], 120, lambda _: seen.set())))
        work.start()
        assert seen.wait(120)
        store.down = True  # 503 for a while
        time.sleep(0.05)
        store.down = False
        end(store)
        work.join(120)
        assert found[0]["status"] == "succeeded"


def test_what_is_no_server() -> None:
    with pytest.raises(InvalidRequest, match="http://"):
        AsyncClient("localhost:8000/v1")
    with pytest.raises(InvalidRequest, match="http://"):
        Client("localhost:8000/v1")


def test_the_key_is_sent(store: MemoryStore) -> None:
    with serve(StandIn(), jobs=memory_jobs(store=store), api_key="secret") as address:
        with Client(f"{address}/v1", "secret") as client:
            assert client.list()["data"] == []
        with Client(f"{address}/v1") as client, pytest.raises(RequestFailed) as caught:
            client.list()
        assert caught.value.status == 401


@pytest.mark.parametrize("job", ["../../models", "a/b", "?x", "", "a\nb", "ä"])
def test_an_id_leads_to_no_other_route(client: Client, job: str) -> None:
    with pytest.raises(RequestFailed):
        client.result(job)


def test_closing_again_does_nothing(url: str) -> None:
    client = Client(url)
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.get("x")


def test_the_keys_are_those_of_the_server() -> None:
    for name, model in (
        ("Job", job_schemas.AudioJob),
        ("JobPage", job_schemas.JobList),
        ("JobProgress", job_schemas.JobProgress),
        ("JobQueue", job_schemas.JobQueue),
        ("JobFile", job_schemas.JobFileState),
        ("JobError", job_schemas.ErrorDetail),
    ):
        keys = set(getattr(client_values, name).__annotations__)
        assert keys == set(model.model_fields) - {"warnings"}, name
    assert {f"{status.value}" for status in Status} == set(client_values.Status.__args__)


def test_webhooks_are_verified() -> None:
    secret = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtMTIz"
    body, now = json.dumps({"type": "audio.job.succeeded"}), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body),
    }
    assert verify_webhook(body.encode(), headers, secret) == {"type": "audio.job.succeeded"}
    for wrong in (replace_header(headers, "webhook-id"), replace_header(headers, "webhook-signature")):
        with pytest.raises(WebhookVerificationError):
            verify_webhook(body, wrong, secret)


def replace_header(headers: dict[str, str], name: str) -> dict[str, str]:
    return {**headers, name: "v1,AAAA"}
