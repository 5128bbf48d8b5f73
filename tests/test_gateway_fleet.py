"""The models of a gateway: their names come from the engine servers."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from endpoint.api.app import create_app
from endpoint.config import Settings, load_settings
from endpoint.errors import ConfigError, ModelNotFound, NotReady
from endpoint.gateway.fleet import Fleet
from endpoint.gateway.wire import Info
from endpoint.models import OPENAI_MODELS
from endpoint.net import free_port
from endpoint.types import EngineInfo
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, assert_error, serve
from tests.gateway_support import TOKEN, fleet_of

MODEL = EngineInfo("small", "fake", "1", "none", "none")


def learned(*infos: Info, **settings: object) -> Fleet:
    """A fleet that knows this of its servers."""
    addresses = ",".join(f"http://engine-{number}" for number in range(len(infos)))
    fleet = Fleet(Settings(engines=addresses, engine_token=TOKEN, **settings))
    for server, info in zip(fleet.pool.servers, infos, strict=True):
        fleet.pool.found(server, info)
    return fleet


def info(*names: str, **aliases: str) -> Info:
    return Info(dict.fromkeys(names, MODEL), names[0], aliases)


async def test_the_names_of_all_servers_and_the_first_ones_default() -> None:
    names = learned(info("small", "large", tiny="small"), info("ours", "large")).names
    assert names.listed == ("small", "large", "ours")
    assert names.default == "small"
    assert [names.find(name) for name in ("", "whisper-1", "tiny", "ours")] == ["small", "small", "small", "ours"]
    with pytest.raises(ModelNotFound):
        names.find("other")


async def test_settings_of_names_hold_at_the_gateway() -> None:
    fleet = learned(info("small", "large"), default_model="large", model_aliases={"best": "large"})
    assert [fleet.names.find(name) for name in ("", "best", "whisper-1")] == ["large"] * 3
    assert learned(info("small", "large"), allowed_models="small").names.listed == ("small",)


async def test_a_model_that_no_server_has_yet_is_waited_for() -> None:
    fleet = learned(info("small"), default_model="large")
    with pytest.raises(NotReady):
        fleet.find("")
    fleet.pool.found(fleet.pool.servers[0], info("small", "large"))
    assert fleet.names.default == "large"


async def test_a_model_that_was_known_stays_known() -> None:
    fleet = learned(info("small", "large"))
    fleet.pool.found(fleet.pool.servers[0], info("small"))
    assert fleet.find("large").info == MODEL
    await fleet.find("large").check()  # for a while: its server may only restart
    assert fleet.names.listed == ("small", "large")


async def test_before_a_server_is_reached_nothing_is_ready() -> None:
    fleet = Fleet(Settings(engines=f"http://127.0.0.1:{free_port()}", engine_token=TOKEN, jobs_url="off"))
    app = create_app(fleet_settings := fleet._settings, fleet)
    assert fleet_settings.engines
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        for path in ("/health", "/ready", "/version"):
            assert_error(await client.get(path), 503, "model_loading")
        assert (await client.get("/v1/models")).json()["data"] == []
        sent = await client.post("/v1/audio/transcriptions", files={"file": ("a.wav", AUDIO)})
        assert_error(sent, 503, "model_loading")


async def test_another_token_is_no_access() -> None:
    with serve(StandIn(), engine_token="another-token-of-16") as base, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), fleet_of(base):
            raise AssertionError("it was let in")


async def test_the_whole_api_works_with_remote_models() -> None:
    with serve({"small": StandIn(), "large": StandIn()}, engine_token=TOKEN) as base:
        async with fleet_of(base) as fleet:
            app = create_app(fleet._settings, fleet)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                assert [one["id"] for one in (await client.get("/v1/models")).json()["data"]] == ["small", "large"]
                form = {"model": "large", "response_format": "srt"}
                done = await client.post("/v1/audio/transcriptions", files={"file": ("a.wav", AUDIO)}, data=form)
                assert done.text.startswith("1\n00:00:00,000 --> 00:00:03,320\nHello wörld.")
                streamed = await client.post(
                    "/v1/audio/transcriptions", files={"file": ("a.wav", AUDIO)}, data={"stream": "true"}
                )
                assert streamed.text.count("transcript.text.delta") == len(TRANSCRIPT.segments)
                assert "transcript.text.done" in streamed.text


@pytest.mark.parametrize(
    ("engines", "token"),
    [("http://a:8000", None), ("a:8000", TOKEN), ("http://a/v1", TOKEN), ("http://u:p@a", TOKEN), ("", "short")],
)
def test_wrong_settings_are_refused(engines: str, token: str | None) -> None:
    with pytest.raises(ConfigError):
        load_settings(engines=engines, engine_token=token)


def test_addresses_are_listed_once_and_without_a_slash() -> None:
    assert load_settings(engines="http://a:1/, http://a:1,https://b", engine_token=TOKEN).engines == (
        "http://a:1,https://b"
    )


def test_openais_names_mean_the_gateways_own_default() -> None:
    assert {"whisper-1", "gpt-4o-transcribe"} <= OPENAI_MODELS
