"""Spans: one for a call, a child for each stage; traceparent comes with the request and goes with job and webhook."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from endpoint.api.app import create_app
from endpoint.call import Call
from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.jobs.wiring import build_background, build_jobs
from endpoint.observe.calls import Observer
from endpoint.observe.metrics import Metrics
from endpoint.observe.tracing import OpenTelemetry, open_traces
from endpoint.wiring import build_models
from tests.hooks import receiving

SOUND = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SECONDS = 240


class World:
    """An application with its worker, in this process; `spans` are those that have ended."""

    def __init__(self, folder: Path) -> None:
        self.exporter = InMemorySpanExporter()
        observer = Observer(Metrics(), OpenTelemetry(self.exporter, at_once=True))
        settings = Settings(
            engine="fake", decode_workers=1, jobs_url=str(folder / "jobs.db"), url_networks="127.0.0.0/8"
        )
        models, jobs = build_models(settings), build_jobs(settings)
        assert jobs is not None
        background = build_background(settings, jobs, models, observer)
        self.app = create_app(settings, models, jobs, background, observer=observer)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    def named(self, name: str):
        return [span for span in self.spans if span.name == name]


async def running(world: World, client: httpx.AsyncClient) -> None:
    import asyncio

    while (await client.get("/health")).status_code != 200:  # noqa: ASYNC110 - as from outside
        await asyncio.sleep(0.01)


@pytest.fixture
async def served(tmp_path: Path):
    world = World(tmp_path)
    transport = httpx.ASGITransport(world.app)
    async with (
        world.app.router.lifespan_context(world.app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
    ):
        await running(world, client)
        yield world, client


async def test_a_request_is_one_span_with_its_stages(served) -> None:
    world, client = served
    response = await client.post("/v1/audio/transcriptions", files={"file": SOUND}, headers=SENT)
    assert response.status_code == 200
    (call,) = world.named("speech_to_text fake")
    assert (f"{call.context.trace_id:032x}", f"{call.parent.span_id:016x}") == (TRACE, PARENT)
    assert call.attributes["stt.call"] == response.headers["x-request-id"]
    assert call.attributes["stt.audio_seconds"] == pytest.approx(1.642, abs=0.001)
    stages = [span for span in world.spans if span is not call]
    assert {"receive", "decode", "vad", "encode+decode", "assemble", "format"} <= {span.name for span in stages}
    for span in stages:
        assert span.parent.span_id == call.context.span_id
        assert call.start_time - 10**8 <= span.start_time <= span.end_time <= call.end_time + 10**8
    (engine,) = world.named("encode+decode")
    assert engine.attributes["spent_seconds"] > 0


async def test_a_failure_is_in_its_span_and_nothing_of_the_request(served) -> None:
    world, client = served
    await client.post("/v1/audio/transcriptions", files={"file": b"canary, no audio"}, data={"prompt": "canary"})
    (call,) = world.named("speech_to_text fake")
    assert call.status.status_code is StatusCode.ERROR
    assert call.attributes["error.type"] == "invalid_audio"
    assert call.parent is None
    assert all("canary" not in json.dumps(json.loads(span.to_json())) for span in world.spans)


async def test_other_routes_have_no_spans(served) -> None:
    world, client = served
    for path in ("/health", "/v1/models", "/metrics", "/nothing"):
        await client.get(path, headers=SENT)
    assert world.spans == ()


async def test_a_job_and_its_webhook_are_parts_of_the_trace(served) -> None:
    import asyncio

    world, client = served
    with receiving() as hooks:
        form = {"callback_url": hooks.url}
        done = await client.post("/v1/audio/jobs", files={"file": SOUND}, data=form, headers=SENT)
        assert done.status_code == 202
        end = time.monotonic() + SECONDS
        while not hooks.received:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
    (headers, _), *_ = hooks.received
    spans = world.named("speech_to_text fake")
    (submission,) = [span for span in spans if span.attributes["stt.class"] == "request"]
    (work,) = [span for span in spans if span.attributes["stt.class"] == "job"]
    assert f"{work.context.trace_id:032x}" == TRACE
    assert work.parent.span_id == submission.context.span_id
    assert work.attributes["stt.call"] == done.json()["id"]
    assert headers["traceparent"] == f"00-{TRACE}-{submission.context.span_id:016x}-01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (SENT["traceparent"], True),
        ("", False),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", False),
        ("canary\r\nx-evil: 1", False),
        (SENT["traceparent"] + "-more", False),
    ],
)
def test_without_a_collector_a_traceparent_is_passed_on_if_it_is_one(sent: str, kept: bool) -> None:
    with Observer(Metrics()).observing(Call(traceparent=sent)) as call:
        assert call.traceparent == (sent if kept else "")


def test_traces_are_off_without_an_address() -> None:
    assert open_traces("") is None


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match="install the extra `trace`"):
        open_traces("http://127.0.0.1:4318")
