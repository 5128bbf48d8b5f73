"""Several models: `model` of a request picks one, on every route."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from endpoint.errors import EngineFailed
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, assert_error, client_of

FILES = {"file": ("talk.wav", AUDIO, "audio/wav")}
FORMS = [
    f"{prefix}/audio/{route}"
    for prefix in ("/v1", "/api/v1")
    for route in ("transcriptions", "translations", "detect-language")
]


@pytest.fixture
def cores() -> dict[str, StandIn]:
    """By the names of the served models; the first is the default."""
    return {name: StandIn(replace(TRANSCRIPT, language=code)) for name, code in (("large", "en"), ("small", "de"))}


def asked(cores: dict[str, StandIn]) -> dict[str, int]:
    return {name: len(core.calls) for name, core in cores.items()}


@pytest.mark.parametrize("path", [*FORMS, "/transcribe", "/detect-language"])
@pytest.mark.parametrize(
    ("model", "large", "small"),
    [("", 1, 0), ("large", 1, 0), ("whisper-1", 1, 0), ("small", 0, 1), ("hub/small", 0, 1), ("fast", 0, 1)],
)
async def test_the_field_picks_the_model(
    cores: dict[str, StandIn], path: str, model: str, large: int, small: int
) -> None:
    async with client_of(cores, model_aliases={"fast": "small"}) as client:
        response = await client.post(path, files=FILES, data={"model": model})
    assert response.status_code == 200, response.text
    assert asked(cores) == {"large": large, "small": small}


async def test_a_stream_comes_from_the_model_asked_for(cores: dict[str, StandIn]) -> None:
    async with client_of(cores) as client:
        response = await client.post("/v1/audio/transcriptions", files=FILES, data={"model": "small", "stream": "true"})
    assert "transcript.text.done" in response.text
    assert asked(cores) == {"large": 0, "small": 1}


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/transcribe/small", ""),
        ("/transcribe-small", ""),
        ("/transcribe/hub/small", ""),
        ("/transcribe-fast", "large"),
    ],
)
async def test_the_path_picks_the_model(cores: dict[str, StandIn], path: str, model: str) -> None:
    async with client_of(cores, model_aliases={"fast": "small"}) as client:
        response = await client.post(path, files=FILES, data={"model": model})
    assert response.json()["language"] == "de"
    assert asked(cores) == {"large": 0, "small": 1}


async def test_audio_at_the_root_is_for_the_default(cores: dict[str, StandIn]) -> None:
    async with client_of(cores, default_model="small") as client:
        assert (await client.post("/", content=AUDIO)).json()["language"] == "de"
    assert asked(cores) == {"large": 0, "small": 1}


@pytest.mark.parametrize("path", [*FORMS, "/transcribe", "/transcribe/other", "/transcribe-other", "/detect-language"])
async def test_other_names_are_refused_with_those_served(cores: dict[str, StandIn], path: str) -> None:
    data = {} if path.endswith("other") else {"model": "other"}
    async with client_of(cores) as client:
        message = assert_error(await client.post(path, files=FILES, data=data), 404, "model_not_found", "model")
    assert "served: large, small" in message
    assert asked(cores) == {"large": 0, "small": 0}


async def listed(client: httpx.AsyncClient) -> list[str]:
    return [card["id"] for card in (await client.get("/v1/models")).json()["data"]]


async def test_all_are_listed_and_aliases_lead_to_them(cores: dict[str, StandIn]) -> None:
    async with client_of(cores, model_aliases={"fast": "small"}) as client:
        assert await listed(client) == ["large", "small"]
        for name, served in {"large": "large", "fast": "small", "hub/small": "small", "whisper-1": "large"}.items():
            assert (await client.get(f"/v1/models/{name}")).json()["id"] == served
        assert_error(await client.get("/v1/models/other"), 404, "model_not_found", "model")
        version = (await client.get("/version")).json()
        assert (version["model"], version["models"]) == ("large", ["large", "small"])


async def test_names_that_are_not_allowed_are_neither_accepted_nor_shown(cores: dict[str, StandIn]) -> None:
    async with client_of(cores, model_aliases={"fast": "small"}, allowed_models="whisper-1,fast") as client:
        assert await listed(client) == ["whisper-1", "fast"]
        responses = [await client.post("/v1/audio/transcriptions", files=FILES, data={"model": "small"})]
        responses.append(await client.post("/transcribe/large", files=FILES))
        responses.append(await client.get("/v1/models/large"))
        for response in responses:
            assert "served: whisper-1, fast." in assert_error(response, 404, "model_not_found", "model")
        assert asked(cores) == {"large": 0, "small": 0}
        assert (await client.get("/v1/models/fast")).json()["id"] == "fast"
        for name in ("", "whisper-1", "fast"):
            response = await client.post("/v1/audio/transcriptions", files=FILES, data={"model": name})
            assert response.status_code == 200
        shown = (
            f"{(await client.get('/version')).json()} {(await client.get('/', headers={'accept': 'text/html'})).text}"
        )
    assert asked(cores) == {"large": 2, "small": 1}
    assert "large" not in shown
    assert "small" not in shown


async def test_a_dead_model_makes_the_server_ill_and_the_other_goes_on(cores: dict[str, StandIn]) -> None:
    cores["small"].state = EngineFailed("it died")
    async with client_of(cores) as client:
        for path in ("/health", "/ready"):
            assert "small: it died" in assert_error(await client.get(path), 503, "engine_failed")
        assert (await client.post("/v1/audio/transcriptions", files=FILES)).status_code == 200
        both = [("files[]", ("a.wav", AUDIO)), ("files[]", ("b.wav", AUDIO))]
        response = await client.post("/v1/audio/transcriptions", files=both, data={"model": "small"})
        assert_error(response, 500, "engine_failed")
        cores["large"].state = EngineFailed("it died too")
        assert_error(await client.post("/v1/audio/transcriptions", files=FILES), 500, "engine_failed")
