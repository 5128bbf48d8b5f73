"""The routes of an engine server for its gateway: closed by default, and by their own secret."""

from __future__ import annotations

import httpx
import pytest

from endpoint.admission import Urgency
from endpoint.api.internal import MAX_HEAD_BYTES
from endpoint.call import Call
from endpoint.codec import decode, decode_error
from endpoint.errors import InvalidRequest, ModelNotFound, Overloaded, TooLarge
from endpoint.gateway.wire import INFO, SEGMENTS, TOKEN_HEADER, URGENCY_HEADER, Info, Work, head
from endpoint.options import Options
from tests.api_support import AUDIO, StandIn, app_of, assert_error, client_of
from tests.gateway_support import TOKEN, Gated
from tests.test_observe_metrics import Change

OURS = {TOKEN_HEADER: TOKEN}


def work(model: str = "whisper-test", options: Options | None = None) -> bytes:
    return head(Work.of(model, options or Options(), Call(), None))


async def last_error(response: httpx.Response) -> Exception:
    """That of the last line."""
    assert response.status_code == 200
    kind, _, document = response.content.splitlines()[-1].partition(b" ")
    assert kind == b"error"
    return decode_error(document)


@pytest.mark.parametrize("path", [INFO, SEGMENTS, "/internal/v1/detect"])
async def test_without_the_setting_there_is_nothing(path: str) -> None:
    async with client_of(StandIn()) as client:
        for method in ("GET", "POST"):
            assert_error(await client.request(method, path, headers=OURS), 404, "not_found")


@pytest.mark.parametrize("path", [INFO, SEGMENTS, "/internal/v1/detect", "/internal/v1/other"])
@pytest.mark.parametrize("sent", [{}, {TOKEN_HEADER: "wrong"}, {"authorization": f"Bearer {TOKEN}"}])
async def test_without_the_secret_nothing_is_done(path: str, sent: dict[str, str]) -> None:
    core = StandIn()
    async with client_of(core, engine_token=TOKEN) as client:
        for method in ("GET", "POST"):
            assert_error(await client.request(method, path, headers=sent), 401, "invalid_api_key")
    assert not core.calls


async def test_a_gateway_offers_no_such_routes() -> None:
    app = app_of(StandIn(), engine_token=TOKEN, engines="http://a:8000")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert_error(await client.get(INFO, headers=OURS), 404, "not_found")


async def test_the_secret_is_enough_where_callers_need_a_key() -> None:
    async with client_of(StandIn(), engine_token=TOKEN, api_key="a-key") as client:
        assert (await client.get(INFO, headers=OURS)).status_code == 200
        sent = await client.post(SEGMENTS, content=work() + AUDIO, headers=OURS)
        assert sent.content.splitlines()[-1].startswith(b"transcript ")
        assert_error(await client.get("/v1/models", headers=OURS), 401, "invalid_api_key")


async def test_other_paths_and_methods() -> None:
    async with client_of(StandIn(), engine_token=TOKEN) as client:
        for method, path in (("GET", SEGMENTS), ("POST", INFO), ("GET", "/internal/v1/other")):
            assert_error(await client.request(method, path, headers=OURS), 404, "not_found")


async def test_the_models_and_what_else_they_are_called() -> None:
    cores = {"small": StandIn(), "large": StandIn()}
    async with client_of(cores, engine_token=TOKEN, model_aliases={"best": "large"}) as client:
        found = decode(Info, (await client.get(INFO, headers=OURS)).content)
    assert set(found.models) == {"small", "large"}
    assert found.default == "small"
    assert found.aliases == {"best": "large", "hub/small": "small", "hub/large": "large"}  # OpenAI's go by default
    async with client_of(cores, engine_token=TOKEN, model_aliases={"best": "large"}, allowed_models="best,small") as c:
        found = decode(Info, (await c.get(INFO, headers=OURS)).content)
    assert set(found.models) == {"best", "small"}


async def test_a_server_that_stops_takes_no_more() -> None:
    app = app_of(StandIn(), engine_token=TOKEN)
    app.state.server.draining = True
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert_error(await client.get(INFO, headers=OURS), 503, "stopping")
        done = await client.post(SEGMENTS, content=work() + AUDIO, headers=OURS)  # that was on its way
        assert done.content.splitlines()[-1].startswith(b"transcript ")


@pytest.mark.parametrize("body", [b"", b"{}", b"{}\n", b'{"version":2,"value":{}}\n' + AUDIO])
async def test_a_body_of_another_version_is_refused(body: bytes) -> None:
    async with client_of(StandIn(), engine_token=TOKEN) as client:
        assert isinstance(await last_error(await client.post(SEGMENTS, content=body, headers=OURS)), InvalidRequest)


async def test_an_unknown_model_is_refused() -> None:
    async with client_of(StandIn(), engine_token=TOKEN) as client:
        sent = await client.post(SEGMENTS, content=work("other") + AUDIO, headers=OURS)
        assert isinstance(await last_error(sent), ModelNotFound)


async def test_the_servers_own_limits_hold() -> None:
    async with client_of(Gated(), engine_token=TOKEN, max_upload_mb=1) as client:
        sent = await client.post(SEGMENTS, content=work() + bytes(1024 * 1024 + 1), headers=OURS)
        assert isinstance(await last_error(sent), TooLarge)
        length = {**OURS, "content-length": str(MAX_HEAD_BYTES + 10**9)}
        assert isinstance(await last_error(await client.post(SEGMENTS, content=b"", headers=length)), TooLarge)
    app = app_of(StandIn(), engine_token=TOKEN, max_concurrent_requests=1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        with app.state.server.admission.permit():
            sent = await client.post(SEGMENTS, content=work() + AUDIO, headers=OURS)
            assert isinstance(await last_error(sent), Overloaded)
            live = OURS | {URGENCY_HEADER: "live"}  # which no request keeps waiting
            assert (await client.post(SEGMENTS, content=work() + AUDIO, headers=live)).content.count(
                b"transcript "
            ) == 1


@pytest.mark.parametrize("urgency", list(Urgency))
async def test_what_a_gateway_sends_is_counted_as_relayed(urgency: Urgency) -> None:
    relayed = {"class": "relayed", "model": "whisper-test"}
    received = Change("stt_audio_received_seconds_total", **relayed)
    engine = Change("stt_stage_spent_seconds_total", **{"class": "relayed", "stage": "encode+decode"})
    others = [Change("stt_audio_received_seconds_total", **relayed | {"class": one.label}) for one in Urgency]
    core = Gated()
    async with client_of(core, engine_token=TOKEN) as client:
        sent = head(Work.of("whisper-test", Options(), Call(urgency=urgency), None))
        assert (await client.post(SEGMENTS, content=sent + AUDIO, headers=OURS)).status_code == 200
    assert core.seen[0].urgency is urgency  # windows in flight are counted by it here, as only here there are any
    assert float(received) == pytest.approx(8.47)
    assert float(engine) == 1.5
    assert [float(other) for other in others] == [0, 0, 0]
