"""A job is its caller's: for others it is as if it were not there, but for `admin`. Check 12 of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

from endpoint.access.service import Keys
from endpoint.caller import Scope
from endpoint.jobs.job import Failure
from endpoint.jobs.service import Jobs
from tests.access_support import bearer, keys_in, secret_of
from tests.api_support import AUDIO, StandIn, assert_error, client_of
from tests.jobs_memory import end_next, memory_jobs

PATH = "/v1/audio/jobs"
FILE = {"file": ("talk.wav", AUDIO)}
NOT_THERE = "job_0000000000000000000000000000"


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    made = keys_in(tmp_path / "keys.db")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def jobs() -> Jobs:
    return memory_jobs()


@pytest.fixture
async def client(keys: Keys, jobs: Jobs) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(StandIn(), keys=keys, jobs=jobs) as made:
        yield made


async def submitted(client: httpx.AsyncClient, secret: str, **headers: str) -> str:
    response = await client.post(PATH, files=FILE, headers=bearer(secret) | headers)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def seen(client: httpx.AsyncClient, secret: str, job_id: str) -> list[tuple[int, bytes, Mapping[str, str]]]:
    """The response of every route of a job, without ids."""
    rows = list[tuple[int, bytes, Mapping[str, str]]]()
    for method, path in (
        ("GET", f"{PATH}/{job_id}"),
        ("GET", f"{PATH}/{job_id}/events"),
        ("GET", f"{PATH}/{job_id}/result"),
        ("GET", f"{PATH}/{job_id}/result?file=0&response_format=srt"),
        ("GET", f"/results/{job_id}"),
        ("POST", f"{PATH}/{job_id}/cancel"),
        ("DELETE", f"{PATH}/{job_id}"),
    ):
        response = await client.request(method, path, headers=bearer(secret))
        headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
        rows.append((response.status_code, response.content.replace(job_id.encode(), b"ID"), headers))
    return rows


@pytest.mark.parametrize("finished", [False, True])
async def test_anothers_job_is_as_one_that_is_not_there(
    client: httpx.AsyncClient, keys: Keys, jobs: Jobs, finished: bool
) -> None:
    owner, other = await secret_of(keys), await secret_of(keys)
    job_id = await submitted(client, owner)
    if finished:
        await end_next(jobs.store)  # type: ignore[arg-type]
    assert len(job_id) == len(NOT_THERE)
    theirs = await seen(client, other, job_id)
    assert theirs == await seen(client, other, NOT_THERE)
    assert [status for status, _, _ in theirs] == [404] * 6 + [200]  # DELETE of what is gone is no error
    shown = (await client.get(f"{PATH}/{job_id}", headers=bearer(owner))).json()
    assert shown["status"] == ("succeeded" if finished else "queued")


async def test_each_lists_its_own_and_admin_all(client: httpx.AsyncClient, keys: Keys) -> None:
    one, other = await secret_of(keys), await secret_of(keys)
    admin, both = await secret_of(keys, Scope.ADMIN), await secret_of(keys, Scope.ADMIN, Scope.JOBS)
    first, second = await submitted(client, one), await submitted(client, other)

    async def listed(secret: str) -> set[str]:
        body = (await client.get(PATH, headers=bearer(secret))).json()
        return {job["id"] for job in body["data"]}

    assert [await listed(one), await listed(other), await listed(both)] == [{first}, {second}, {first, second}]
    assert (await client.get(f"{PATH}/{first}", headers=bearer(both))).status_code == 200
    assert_error(await client.get(PATH, headers=bearer(admin)), 403, "missing_scope")
    response = await client.delete(f"{PATH}/{first}", headers=bearer(both))
    assert response.json()["deleted"] is True
    assert await listed(one) == set()


async def test_idempotency_keys_are_per_key(client: httpx.AsyncClient, keys: Keys) -> None:
    one, other = await secret_of(keys), await secret_of(keys)
    key = {"idempotency-key": "order-17"}
    first = await submitted(client, one, **key)
    assert await submitted(client, one, **key) == first
    assert await submitted(client, other, **key) != first


async def test_admin_queues_a_failed_job_again(client: httpx.AsyncClient, keys: Keys, jobs: Jobs) -> None:
    owner, admin = await secret_of(keys), await secret_of(keys, Scope.ADMIN, Scope.JOBS)
    path = f"{PATH}/{await submitted(client, owner)}/requeue"
    assert_error(await client.post(path, headers=bearer(owner)), 403, "missing_scope")
    assert_error(await client.post(path, headers=bearer(admin)), 400, "job_not_failed")
    await end_next(jobs.store, error=Failure("three workers were lost", "worker_lost", "server_error"))  # type: ignore[arg-type]
    woken = list[bool]()
    jobs.wake = lambda: woken.append(True)
    shown = (await client.post(path, headers=bearer(admin))).json()
    assert (shown["status"], shown["error"], woken) == ("queued", None, [True])
    missing = await client.post(f"{PATH}/{NOT_THERE}/requeue", headers=bearer(admin))
    assert_error(missing, 404, "job_not_found")
