"""The Realtime socket on a live server, with OpenAI's own clients: every event is one of OpenAI's."""

from __future__ import annotations

import asyncio
import base64
import json
import signal

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from endpoint.live.convert import MU_LAW
from endpoint.live.runner import as_wave
from endpoint.types import SAMPLE_RATE
from tests.live_support import append, at_24_khz, checked, kinds
from tests.recordings import tone
from tests.servers import running_server, started
from tests.test_live_session import TALK, load

SECONDS = 300
ORDER = ["speech_started", "speech_stopped", "committed", "item.added", "item.done"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("live") / "log", engine="fake", jobs_url="off") as address:
        yield address


@pytest.fixture(scope="module")
def talk():
    """Speech of 12 s with silence behind it."""
    return load(TALK)[: 12 * SAMPLE_RATE]


def frames(samples, seconds: float = 0.1) -> list[str]:
    data, step = at_24_khz(samples), round(48_000 * seconds)
    silence = bytes(48_000 * 2)
    return [append((data + silence)[at : at + step]) for at in range(0, len(data) + len(silence), step)]


def socket(base: str, path: str = "/v1/realtime?intent=transcription", **options):
    return connect(base.replace("http", "ws", 1) + path, max_size=None, **options)


def until(connection, kind: str) -> list[dict]:
    """Events up to the first of this type."""
    events = []
    while not events or events[-1]["type"] != kind:
        events.append(checked(json.loads(connection.recv(SECONDS))))
    return events


DONE = "conversation.item.input_audio_transcription.completed"


def update(connection, **fields) -> None:
    session = {"type": "transcription", "audio": {"input": fields}}
    connection.send(json.dumps({"type": "session.update", "session": session}))
    until(connection, "session.updated")


def test_openai_python(base, talk):
    with (
        OpenAI(base_url=base + "/v1", api_key="none") as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        for frame in frames(talk):
            connection.send_raw(frame)
        events = []
        for event in connection:
            events.append(checked(event.to_dict(mode="json")))
            if event.type == DONE:
                break
    names = kinds(events)
    assert names[0] == "session.created"
    assert [name for name in names if name in ORDER] == ORDER
    assert names[-1] == "item.completed"
    done = events[-1]
    deltas = [event["delta"] for event in events if event["type"].endswith("transcription.delta")]
    assert "".join(deltas).split()[-1] == done["transcript"].split()[-1]
    assert {event["item_id"] for event in events if "item_id" in event} == {done["item_id"]}


async def test_openai_python_async(base, talk):
    async with (
        AsyncOpenAI(base_url=base + "/api/v1", api_key="none") as client,
        client.realtime.connect(model="whisper-1") as connection,
    ):
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {"turn_detection": None, "transcription": {
                "model": "gpt-realtime-whisper", "language": "en"}}}}
        )  # fmt: skip
        await connection.input_audio_buffer.append(audio=base64.b64encode(at_24_khz(talk)).decode())
        await connection.input_audio_buffer.commit()
        async for event in connection:
            checked(event.to_dict(mode="json"))
            if event.type == DONE:
                break
    assert event.transcript


def test_the_final_text_is_that_of_the_file(base, talk):
    """The same samples: those of the turn, which is known by its times."""
    with socket(base) as connection:
        update(connection, format={"type": "audio/pcm", "rate": 24_000}, turn_detection=None)
        connection.send(append(at_24_khz(talk)))
        connection.send('{"type": "input_audio_buffer.commit"}')
        done = until(connection, DONE)[-1]
    assert abs(done["usage"]["seconds"] - 12) < 0.01
    file = {"file": ("turn.wav", as_wave(talk))}
    found = httpx.post(f"{base}/v1/audio/transcriptions", files=file, timeout=SECONDS).json()
    assert len(done["transcript"].split()) == len(found["text"].split()) > 8


def test_telephone_sound(base):
    low = tone(8_000, 3.0)
    codes = bytes(int(abs(MU_LAW.astype(int) - value).argmin()) for value in low)
    with socket(base) as connection:
        update(connection, format={"type": "audio/pcmu"}, turn_detection=None)
        connection.send(append(codes))
        connection.send('{"type": "input_audio_buffer.commit"}')
        assert until(connection, DONE)[-1]["usage"]["seconds"] == 3.0


def test_a_fault_is_an_event_and_the_session_goes_on(base):
    with socket(base) as connection:
        connection.send("{")
        assert until(connection, "error")[-1]["error"]["code"] == "invalid_json"
        update(connection, turn_detection=None)


@pytest.mark.parametrize(("path", "status", "code"), [
    ("/v1/realtime?model=gpt-9", 404, "model_not_found"),
    ("/v1/realtime?intent=conversation", 400, "invalid_value"),
])  # fmt: skip
def test_what_cannot_be_opened_says_why(base, path, status, code):
    with pytest.raises(InvalidStatus) as raised, socket(base, path):
        pass
    assert raised.value.response.status_code == status
    assert json.loads(raised.value.response.body)["error"]["code"] == code


def test_browsers_name_a_subprotocol(base):
    with socket(base, subprotocols=["realtime", "openai-insecure-api-key.none"]) as connection:
        assert connection.subprotocol == "realtime"


def closed_with(connection) -> tuple[list[dict], int]:
    events = []
    with pytest.raises(ConnectionClosed) as raised:  # noqa: PT012
        while True:
            events.append(checked(json.loads(connection.recv(SECONDS))))
    return events, raised.value.rcvd.code


def test_a_message_that_is_too_large(base):
    with socket(base) as connection:
        connection.send("x" * (17 << 20))
        events, closed = closed_with(connection)
    assert events[-1]["error"]["code"] == "file_too_large"
    assert closed == 1009


@pytest.mark.parametrize(("limits", "code"), [
    ({"live_idle_seconds": 0.2}, "idle_timeout"),
    ({"live_session_seconds": 0.2}, "session_expired"),
])  # fmt: skip
def test_idle_and_total_limits(tmp_path, limits, code):
    with running_server(tmp_path / "log", engine="fake", jobs_url="off", **limits) as base, socket(base) as connection:
        events, closed = closed_with(connection)
    assert events[-1]["error"]["code"] == code
    assert closed == 1000


def test_sigterm_finishes_the_open_turn_and_closes_with_1012(tmp_path, talk):
    with started(tmp_path / "log", engine="fake", jobs_url="off") as server:
        server.wait()
        with socket(server.base) as connection:
            connection.send(append(at_24_khz(talk[: 5 * SAMPLE_RATE])))
            until(connection, "input_audio_buffer.speech_started")
            server.process.send_signal(signal.SIGTERM)
            events, closed = closed_with(connection)
    assert events[-1]["type"] == DONE
    assert events[-1]["transcript"]
    assert closed == 1012


async def test_many_sessions_dropped_at_any_point_leave_nothing(base, talk):
    async with AsyncOpenAI(base_url=base + "/v1", api_key="none") as client:

        async def one(count: int) -> None:
            async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
                for frame in frames(talk, 0.25)[:count]:
                    await connection.send_raw(frame)

        await asyncio.gather(*(one(k) for k in range(40)))
        async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
            assert (await connection.recv()).type == "session.created"  # the server is as before


def test_a_bad_key_is_401(tmp_path):
    with running_server(tmp_path / "log", engine="fake", jobs_url="off", api_key="sk-right") as base:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(InvalidStatus) as raised, socket(base, additional_headers=headers):
                pass
            assert raised.value.response.status_code == 401
        with socket(base, additional_headers={"X-API-Key": "sk-right"}) as connection:
            until(connection, "session.created")
        with socket(base, subprotocols=["realtime", "openai-insecure-api-key.sk-right"]) as connection:
            until(connection, "session.created")
