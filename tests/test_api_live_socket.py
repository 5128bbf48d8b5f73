"""The end of a session: its code, a slow reader, a full server."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.websockets import WebSocket

from endpoint.api import live_socket
from endpoint.api.live_socket import Outbox, SlowReader, Socket, admitted, model_finder
from endpoint.caller import Caller
from endpoint.core.transcriber import transcribe
from endpoint.errors import NotReady, Overloaded, PermissionDenied, RateLimited, Unavailable
from endpoint.live.agreement import Stability
from endpoint.live.pace import Pace
from endpoint.live.plain import Plain
from endpoint.live.protocol import TurnSettings
from endpoint.live.record import LiveRecord
from endpoint.live.runner import Means
from endpoint.options import Options
from tests.api_support import AUDIO, StandIn, app_of
from tests.live_support import session, sound
from tests.test_live_runner import Charged, passing
from tests.test_observe_metrics import Change


class Wire:
    """A client: what it sends, what it gets, and whether it reads."""

    def __init__(self, **state: object) -> None:
        self.incoming = asyncio.Queue[dict]()
        self.outgoing = list[dict]()
        self.reads = asyncio.Event()
        self.reads.set()
        self.tried = asyncio.Event()  # whether a message was on its way
        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "state": state}
        self.websocket = WebSocket(scope, self.incoming.get, self._send)

    async def _send(self, message: dict) -> None:
        self.tried.set()
        if message["type"] != "websocket.close":
            await self.reads.wait()
        self.outgoing.append(message)

    def send(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        self.incoming.put_nowait({"type": "websocket.receive", kind: message})

    def messages(self) -> list[dict]:
        return [json.loads(message["text"]) for message in self.outgoing if message["type"] == "websocket.send"]

    @property
    def code(self) -> int | None:
        return next((message["code"] for message in self.outgoing if message["type"] == "websocket.close"), None)


async def opened(wire: Wire, core: StandIn | None = None, **settings: object) -> tuple[asyncio.Task, object]:
    server = app_of(core or StandIn(), **settings).state.server
    wire.incoming.put_nowait({"type": "websocket.connect"})
    await wire.websocket.accept()
    protocol = Plain(session(), TurnSettings("whisper-test", Options(), Stability(2)))
    threads = ThreadPoolExecutor(1)
    charged = Charged()
    means = Means(server.models.find, passing, charged, charged.made, threads, Pace(2), LiveRecord())
    task = asyncio.create_task(Socket(server, wire.websocket, protocol, means, containers=False).serve())
    task.add_done_callback(lambda _: threads.shutdown(wait=False))
    return task, server


async def test_a_client_that_has_sent_everything_gets_its_text_and_1000():
    wire = Wire()
    task, _ = await opened(wire)
    wire.send(sound(0, 2).tobytes())
    wire.send("")
    await task
    assert [message["type"] for message in wire.messages()][-1] == "final"
    assert wire.code == 1000


async def test_a_client_that_goes_is_not_written_to():
    core, wire = StandIn(delay=3600), Wire()
    task, _ = await opened(wire, core)
    wire.send(sound(0, 2, 1).tobytes())
    wire.incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
    await task
    assert wire.code is None
    assert core.running == 0


async def test_a_slow_reader_is_closed_with_1013(monkeypatch):
    monkeypatch.setattr(Outbox.__init__, "__defaults__", (50,))
    wire = Wire()
    task, _ = await opened(wire)
    wire.reads.clear()
    wire.send(sound(0, 1, 1).tobytes())
    await task
    assert wire.code == 1013


async def test_who_does_not_read_the_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(live_socket, "CLOSE_SECONDS", 0.01)
    wire = Wire()
    task, server = await opened(wire)
    wire.reads.clear()
    wire.tried.clear()
    wire.send("hello")
    await wire.tried.wait()
    server.live.ending.set()
    await task
    assert wire.code is None


async def test_a_server_that_stops_finishes_the_turn():
    wire = Wire()
    task, server = await opened(wire)
    wire.send(sound(0, 1).tobytes())
    for _ in range(100):
        await asyncio.sleep(0.001)
    server.live.ending.set()
    await task
    assert [message["type"] for message in wire.messages()][-1] == "final"
    assert wire.code == 1012


async def test_a_failure_of_ours_is_1011():
    core, wire = StandIn(), Wire()
    core.failure = RuntimeError("a fault in the code")
    task, _ = await opened(wire, core)
    wire.send(sound(0, 1, 1).tobytes())
    await task
    assert wire.code == 1011
    assert wire.messages()[-1]["error"]["code"] == "internal_error"


def test_what_waits_is_bounded():
    outbox = Outbox(100)
    with pytest.raises(SlowReader):
        outbox.put([{"type": "x" * 10}] * 20)


async def test_a_session_holds_a_permit_and_its_passes_are_the_callers():
    server = app_of(StandIn(), max_concurrent_requests=1).state.server
    wire = Wire(caller=Caller("key_1", "team"))
    async with admitted(server, wire.websocket, "") as means:
        assert server.live.record.open == 1
        with means.passing("") as one, means.passing("") as other:
            assert one.caller.id == "key_1"
            assert one.id != other.id
        with pytest.raises(Overloaded):
            async with admitted(server, wire.websocket, ""):
                pass
    assert server.live.record.open == 0
    async with admitted(server, wire.websocket, ""):
        pass


async def test_a_key_may_have_some_models_only():
    server = app_of(StandIn()).state.server
    wire = Wire(caller=Caller("key_1", models=frozenset()))
    with pytest.raises(PermissionDenied):
        model_finder(server, wire.websocket)("")


async def test_the_sessions_of_a_caller_are_limited():
    server = app_of(StandIn(), limit_live_sessions=1).state.server
    wire = Wire(caller=Caller("key_1"))
    async with admitted(server, wire.websocket, ""):
        with pytest.raises(RateLimited):
            async with admitted(server, wire.websocket, ""):
                pass
        async with admitted(server, Wire(caller=Caller("key_2")).websocket, ""):
            pass
    async with admitted(server, wire.websocket, ""):
        pass
    await server.limiter.close()


async def test_passes_and_turns_are_counted_as_live():
    server = app_of(StandIn()).state.server
    of = {"class": "live", "model": "whisper-test"}
    received, done = (Change(f"stt_audio_{what}_seconds_total", **of) for what in ("received", "done"))
    language = Change("stt_language_audio_seconds_total", language="en")
    async with admitted(server, Wire(caller=Caller("key_1")).websocket, "") as means:
        for _ in range(2):
            with means.passing("") as call:
                transcript = await transcribe(means.find(""), AUDIO, Options(), call)
        assert (call.kind, call.caller.id, call.record.model) == ("live", "key_1", "whisper-test")
        means.made(transcript, 3_000)
    assert float(received) == pytest.approx(2 * transcript.duration_ms / 1000)  # as often as it was worked on
    assert float(language) == pytest.approx(3)  # as much as was spoken
    assert float(done) == 0  # the stand-in's record has no languages
    await server.limiter.close()


async def test_no_session_while_models_load_or_the_server_stops():
    core = StandIn()
    server = app_of(core).state.server
    core.state = NotReady("loading")
    with pytest.raises(NotReady):
        async with admitted(server, Wire().websocket, ""):
            pass
    core.state = None
    server.live.ending.set()
    with pytest.raises(Unavailable):
        async with admitted(server, Wire().websocket, ""):
            pass
