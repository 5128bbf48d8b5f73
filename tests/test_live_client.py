"""The client of the Realtime protocol, against a live server with the fake engine."""

from __future__ import annotations

import pytest

from endpoint.errors import EndpointError
from endpoint.live.client import converse, paced
from endpoint.net import free_port
from endpoint.types import SAMPLE_RATE
from tests.servers import running_server
from tests.test_live_session import TALK, load


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("live") / "log", engine="fake", jobs_url="off") as address:
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def talk():
    return load(TALK)[: 6 * SAMPLE_RATE]


async def test_events_up_to_the_text_of_the_last_turn(base, talk):
    kinds = [event.type async for event in converse(base, paced(talk, real_time=False), {"type": "transcription"})]
    assert kinds[0] == "session.created"
    assert kinds.count("completed") == kinds.count("speech_started") == 1
    assert kinds.count("session.updated") == 2


async def test_sound_without_speech_has_an_end_too(base, talk):
    kinds = [event.type async for event in converse(base, paced(talk[:0], real_time=False), {"type": "transcription"})]
    assert kinds == ["session.created", "session.updated", "session.updated"]


async def test_frames_come_at_their_pace(talk):
    frames = [frame async for frame in paced(talk[: SAMPLE_RATE // 10])]
    assert sum(map(len, frames)) == 2 * (2_400 + 24_000)


async def test_a_refused_session(base, talk):
    with pytest.raises(EndpointError, match="must be `transcription`"):
        async for _ in converse(base, paced(talk, real_time=False), {"type": "realtime"}):
            pass


async def test_an_address_that_is_no_base_url(base, talk):
    with pytest.raises(EndpointError, match=r"status 40\d at ws://.*/realtime.*end in /v1"):
        async for _ in converse(base.removesuffix("/v1"), paced(talk), {}):
            pass


async def test_no_server(talk):
    with pytest.raises(EndpointError, match="ended"):
        async for _ in converse(f"http://127.0.0.1:{free_port()}/v1", paced(talk), {}):
            pass


async def refused(base, talk):
    with pytest.raises(EndpointError, match="refused"):
        async for _ in converse(base, paced(talk), {}):
            pass


async def test_a_server_that_refuses(tmp_path, talk):
    with running_server(tmp_path / "log", engine="fake", jobs_url="off", api_key="sk-right") as address:
        await refused(f"{address}/v1", talk)
