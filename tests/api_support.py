"""A stand-in for the core, an application and a live server around it, and checks of responses."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import httpx
import uvicorn
from fastapi import FastAPI

from endpoint.access.meter import LedgerMeter
from endpoint.access.service import Keys
from endpoint.access.wiring import build_keys
from endpoint.api.app import create_app
from endpoint.call import Call
from endpoint.config import Settings
from endpoint.core.transcriber import Progress, Steps
from endpoint.errors import EndpointError, InvalidAudio
from endpoint.jobs.service import Jobs
from endpoint.memfile import MemoryFile
from endpoint.models import After, Models, Names
from endpoint.options import Options, Task
from endpoint.tasks import produced
from endpoint.types import EngineInfo, Segment, Transcript, Usage, Word

AUDIO = b"RIFF, as far as the stand-in cares" * 10
REFUSED = b"no audio at all"
NASTY = " a --> b & <i>c</i>\n\n2\n00:00:01,000 --> 00:00:02,000\nd"


def segment(number: int, start_ms: int, end_ms: int, text: str) -> Segment:
    return Segment(
        id=number,
        start_ms=start_ms,
        end_ms=end_ms,
        text=text,
        tokens=(50_365, 1770 + number, 50_465),
        seek=0,
        temperature=0.0,
        avg_logprob=-0.25,
        compression_ratio=1.1,
        no_speech_prob=0.01,
        language="en",
    )


TRANSCRIPT = Transcript(
    task=Task.TRANSCRIBE,
    language="en",
    language_probability=0.99,
    duration_ms=8_470,
    segments=(segment(0, 0, 3_320, " Hello wörld."), segment(1, 3_320, 8_470, " Good bye.")),
    usage=Usage(audio_tokens=424, text_tokens=3, output_tokens=9),
)
WORDS = (Word(" Hello", 0, 500), Word(" wörld", 500, 1_000))


def content(data: bytes | MemoryFile) -> bytes:
    return data.read() if isinstance(data, MemoryFile) else data


class StandIn:
    """A Transcriber without an engine."""

    def __init__(self, transcript: Transcript = TRANSCRIPT, *, delay: float = 0.0) -> None:
        self.transcript, self.delay, self.pace = transcript, delay, 0.0
        self.failure: Exception | None = None  # that transcribing raises
        self.state: EndpointError | None = None  # that check raises
        self.start_failure: Exception | None = None
        self.running = self.cancelled = 0
        self.closed = False
        self.calls: list[tuple[bytes, Options]] = []

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("whisper-test", "fake", "1.0", "none", "none", created=1_700_000_000)

    async def start(self) -> None:
        if self.start_failure is not None:
            raise self.start_failure

    async def close(self) -> None:
        self.closed = True

    async def check(self) -> None:
        if self.state is not None:
            raise self.state

    def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        return produced(lambda emit: self._transcribe(data, options, call, emit))

    async def _transcribe(self, data, options, call, emit) -> None:
        """Emits segments one by one, `pace` seconds apart, before the delay; REFUSED is not audio."""
        self.calls.append((content(data), options))
        if content(data) == REFUSED:
            raise InvalidAudio("no audio")
        self.running += 1
        try:
            segments = self.transcript.segments
            await call.admit(self.transcript.duration_ms / 1000)
            emit(Progress(0, len(segments)))
            for done, settled in enumerate(segments if options.incremental else (), 1):
                await asyncio.sleep(self.pace)
                emit(Progress(done, len(segments), (settled,)))
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if self.failure is not None:
            raise self.failure
        emit(replace(self.transcript, task=options.task))

    async def detect(self, data: bytes | MemoryFile, options: Options, call: Call) -> tuple[dict[str, float], int]:
        self.calls.append((content(data), options))
        return {"en": 0.9, "de": 0.1}, self.transcript.duration_ms


Cores = StandIn | Mapping[str, StandIn]  # the only model's, or by served name


def app_of(
    cores: Cores,
    *,
    jobs: Jobs | None = None,
    keys: Keys | None = None,
    meter: LedgerMeter | None = None,
    after: After | None = None,
    **settings: object,
) -> FastAPI:
    if isinstance(cores, StandIn):
        made = Settings(engine="fake", **{"served_model_name": "whisper-test"} | settings)
        cores = {made.model_name: cores}
    else:
        made = Settings(engine="fake", models=",".join(f"{name}=hub/{name}" for name in cores), **settings)
    return create_app(
        made, Models(Names.of(made), cores, after=after), jobs, keys=keys or build_keys(made), meter=meter
    )


def client_of(cores: Cores, **settings: object) -> httpx.AsyncClient:
    """A client that calls the application in this event loop, without its lifespan."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app_of(cores, **settings)), base_url="http://test")


@contextmanager
def serve(cores: Cores, **settings: object) -> Iterator[str]:
    """A live server on its own port, in a thread; yields its base URL."""
    server = uvicorn.Server(uvicorn.Config(app_of(cores, **settings), log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(120)
    assert not thread.is_alive()


def wait_for(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def assert_error(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Check the four keys of an error body and the request id, and return the message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    body = response.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == ("invalid_request_error" if status < 500 else "server_error")
    assert ("retry-after" in response.headers) == (status == 503)
    return error["message"]
