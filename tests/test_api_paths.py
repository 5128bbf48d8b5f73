"""Paths with superfluous slashes lead to the same route."""

from __future__ import annotations

import pytest

from endpoint.api.paths import plain_path
from tests.api_support import AUDIO, StandIn, client_of


@pytest.mark.parametrize(
    "path", ["/v1/audio/transcriptions/", "//v1//audio/transcriptions", "/api/v1/audio/transcriptions"]
)
async def test_the_route_is_found(path: str) -> None:
    async with client_of(StandIn()) as client:
        response = await client.post(f"http://test{path}", files={"file": AUDIO})
        assert response.status_code == 200, response.text
        assert (await client.get("/health/")).status_code == 200
        assert (await client.get("/docs/")).status_code == 200


def test_plain_path() -> None:
    assert [plain_path(path) for path in ("/", "//", "/a/", "/a//b")] == ["/", "/", "/a", "/a/b"]
