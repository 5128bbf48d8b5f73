"""The route of usage: endpoint.api.usage."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from endpoint.access.meter import LedgerMeter
from endpoint.access.usage import UsageRow
from endpoint.access.usage_sqlite import SqliteLedger
from endpoint.caller import Caller, Scope
from tests.api_support import AUDIO, StandIn, app_of, assert_error

PATH = "/v1/audio/transcriptions"
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


@pytest.fixture
async def meter(tmp_path: Path) -> AsyncIterator[LedgerMeter]:
    made = LedgerMeter(SqliteLedger(tmp_path / "jobs.db", wait_seconds=60), tmp_path / "usage")
    made.start()
    yield made
    await made.close()


def client_of(meter: LedgerMeter, caller: Caller | None = None, **settings: object) -> httpx.AsyncClient:
    app = app_of(StandIn(), meter=meter, **settings)

    async def as_caller(scope: Any, receive: Any, send: Any) -> None:
        await app(scope if caller is None else {**scope, "state": {"caller": caller}}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(as_caller), base_url="http://test")


def add(meter: LedgerMeter, number: int, key: str, model: str, day: int = 0) -> None:
    meter.add(UsageRow(f"req_{number}", key, model, "transcribe", 90_500, 91, NOON + day * 86_400))


async def test_what_was_transcribed_is_in_it_at_once(meter: LedgerMeter) -> None:
    async with client_of(meter, prices={"*": 0.6}) as client:
        for _ in range(3):
            same = {"x-request-id": "mine"}  # clients may send the same id again
            assert (await client.post(PATH, files={"file": ("a.wav", AUDIO)}, headers=same)).status_code == 200
        assert (await client.post("/v1/audio/detect-language", files={"file": ("a.wav", AUDIO)})).status_code == 200
        body = (await client.get("/v1/usage")).json()
    today = datetime.now(UTC).date().isoformat()
    assert body["total"] == {"requests": 4, "audio_seconds": 33.88, "billed_seconds": 36, "amount": 0.36}
    assert [row["name"] for row in body["data"]] == [today]
    assert (body["end"], body["group_by"], body["currency"]) == (today, "day", "USD")


async def test_rows_by_key_and_model_within_days(meter: LedgerMeter) -> None:
    for number, (key, model, day) in enumerate([("alice", "base", 0), ("alice", "large", 1), ("bob", "base", 2)]):
        add(meter, number, key, model, day)
    async with client_of(meter) as client:

        async def names(**query: str) -> list[tuple[str, int]]:
            rows = (await client.get("/v1/usage", params=query)).json()["data"]
            return [(row["name"], row["requests"]) for row in rows]

        whole = {"start": "2026-11-26", "end": "2026-11-28"}
        assert await names(**whole) == [("2026-11-26", 1), ("2026-11-27", 1), ("2026-11-28", 1)]
        assert await names(**whole, group_by="key") == [("alice", 2), ("bob", 1)]
        assert await names(**whole, group_by="model") == [("base", 2), ("large", 1)]
        assert await names(**whole, group_by="model", key="alice") == [("base", 1), ("large", 1)]
        assert await names(start="2026-11-27", end="2026-11-27", group_by="key") == [("alice", 1)]


async def test_a_key_sees_its_own_and_an_admin_all(meter: LedgerMeter) -> None:
    add(meter, 1, "alice", "base")
    add(meter, 2, "bob", "base")
    query = {"start": "2026-11-26", "end": "2026-11-26", "group_by": "key"}
    alice = Caller("alice", scopes=frozenset({Scope.TRANSCRIBE}))
    async with client_of(meter, alice) as client:
        for more in ({}, {"key": "bob"}):
            rows = (await client.get("/v1/usage", params=query | more)).json()["data"]
            assert [row["name"] for row in rows] == ["alice"]
    async with client_of(meter, Caller("root", scopes=frozenset({Scope.ADMIN}))) as client:
        rows = (await client.get("/v1/usage", params=query)).json()["data"]
        assert [row["name"] for row in rows] == ["alice", "bob"]


@pytest.mark.parametrize(("query", "headers"), [({"format": "csv"}, {}), ({}, {"accept": "text/csv"})])
async def test_a_table(meter: LedgerMeter, query: dict[str, str], headers: dict[str, str]) -> None:
    add(meter, 1, "alice", "base")
    whole = {"start": "2026-11-26", "end": "2026-11-26", "group_by": "key"}
    async with client_of(meter, prices={"base": 0.006}, price_currency="EUR") as client:
        response = await client.get("/v1/usage", params=whole | query, headers=headers)
    assert response.headers["content-type"].startswith("text/csv")
    assert list(csv.DictReader(io.StringIO(response.text))) == [
        {
            "key": "alice",
            "requests": "1",
            "audio_seconds": "90.500",
            "billed_seconds": "91",
            "amount": "0.009100",
            "currency": "EUR",
        }
    ]


async def test_a_model_without_a_price_has_no_amount(meter: LedgerMeter) -> None:
    add(meter, 1, "alice", "base")
    async with client_of(meter) as client:
        body = (await client.get("/v1/usage", params={"start": "2026-11-26", "end": "2026-11-26"})).json()
    assert body["data"][0]["amount"] is body["total"]["amount"] is None


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"start": "yesterday"}, "start"),
        ({"group_by": "task"}, "group_by"),
        ({"start": "2026-11-27", "end": "2026-11-26"}, "start"),
    ],
)
async def test_what_cannot_be_asked_for(meter: LedgerMeter, query: dict[str, str], param: str) -> None:
    async with client_of(meter) as client:
        assert_error(await client.get("/v1/usage", params=query), 400, "invalid_value", param)
        assert (await client.get("/v1/usage", params={"end": "0001-01-02"})).json()["start"] == "0001-01-01"


async def test_without_a_store_there_is_no_route() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(StandIn())), base_url="http://test") as client:
        assert_error(await client.get("/v1/usage"), 404, "not_found")
