"""How a server treats every field of other services, and that docs/fields.md says the same."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from endpoint.api.forms import TranscriptionForm
from endpoint.fields.read import own_names
from endpoint.fields.table import ROWS, Row, table_text
from tests.api_support import AUDIO, StandIn, assert_error, client_of

DOCS = Path(__file__).parents[1] / "docs" / "fields.md"
OWN = own_names(TranscriptionForm)
FOREIGN = [row for row in ROWS.values() if row.name not in OWN and not row.taken_as]


async def send(core: StandIn, path: str = "/v1/audio/transcriptions", **data: object) -> httpx.Response:
    async with client_of(core) as client:
        return await client.post(path, files={"file": AUDIO}, data=data)


def test_the_docs_are_made_from_the_table() -> None:
    assert DOCS.read_text(encoding="utf-8") == table_text(OWN)


@pytest.mark.parametrize("row", [row for row in FOREIGN if row.harmless != ("*",)], ids=lambda row: row.name)
async def test_what_would_change_the_result_is_refused_by_name(row: Row) -> None:
    core = StandIn()
    response = await send(core, response_format="verbose_json", **{row.name: row.example})
    assert row.instead in assert_error(response, 400, "unsupported", row.name)
    assert not core.calls


@pytest.mark.parametrize("row", FOREIGN, ids=lambda row: row.name)
async def test_what_changes_nothing_is_accepted(row: Row) -> None:
    for value in row.harmless:
        core = StandIn()
        response = await send(core, **{row.name: row.example if value in ("*", "untimed") else value})
        assert response.status_code == 200, response.text
        assert "warnings" not in response.json()
        assert core.calls == (await _plain()).calls


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.taken_as], ids=lambda row: row.name)
async def test_other_names_have_the_same_meaning(row: Row) -> None:
    named, other = StandIn(), StandIn()
    for core, name in ((named, row.taken_as), (other, row.name)):
        response = await send(core, **{name: row.example})
        assert response.status_code == 200, response.text
    assert named.calls == other.calls
    assert named.calls != (await _plain()).calls


async def _plain() -> StandIn:
    core = StandIn()
    await send(core)
    return core


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/v1/audio/translations", "timestamp_granularities[]", "word"),
        ("/v1/audio/translations", "include[]", "logprobs"),
        ("/v1/audio/translations", "languages[]", "de"),
        ("/transcribe", "response_format", "srt"),
        ("/transcribe", "stream", "true"),
    ],
)
async def test_fields_of_other_routes(path: str, field: str, value: str) -> None:
    assert_error(await send(StandIn(), path, **{field: value}), 400, "unsupported", field)


async def test_language_detection_takes_what_does_not_concern_it() -> None:
    for path in ("/v1/audio/detect-language", "/detect-language"):
        response = await send(StandIn(), path, temperature="0.2", beam_size="5", prompt="x")
        assert response.status_code == 200
        assert "warnings" not in response.json()
        assert (await send(StandIn(), path, foo="1")).json()["warnings"][0]["param"] == "foo"
