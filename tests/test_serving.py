"""The server on Ray Serve: official client, streams, sockets, and a replica that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from tests.serve_cluster import serve_cluster

SPEECH = Path(__file__).parents[1] / "endpoint" / "demo" / "recordings" / "LJ001-0011.flac"
WAIT_SECONDS = 240.0
DELAY = 1.0


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake engines of all replicas write: a line for each window."""
    return tmp_path_factory.mktemp("serve") / "windows.txt"


@pytest.fixture(scope="module")
def base(log: Path) -> Iterator[str]:
    with serve_cluster(2, engine="fake", engine_args={"delay": DELAY, "log": str(log)}) as address:
        yield address


def pids(log: Path) -> list[int]:
    return [int(line.split()[1]) for line in log.read_text().splitlines()] if log.exists() else []


async def transcribed(client: AsyncOpenAI) -> str:
    found = await client.audio.transcriptions.create(model="whisper-1", file=("a.flac", SPEECH.read_bytes()))
    return found.text


async def test_the_official_client_streams_and_sockets_pass(base: str) -> None:
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0) as client:
        text = await transcribed(client)
        assert text
        stream = await client.audio.transcriptions.create(
            model="whisper-1", file=("a.flac", SPEECH.read_bytes()), stream=True
        )
        events = [event async for event in stream]
        assert events[-1].type == "transcript.text.done"
        assert events[-1].text == text
        assert [model.id async for model in client.models.list()] == ["fake"]
    async with connect(f"{base.replace('http', 'ws')}/ws/transcribe") as socket:
        await socket.send(SPEECH.read_bytes())
        await socket.send(b"")
        kinds = [json.loads(message)["type"] async for message in socket]
    assert "final" in kinds
    assert "error" not in kinds


async def test_requests_survive_a_replica_that_is_killed(base: str, log: Path) -> None:
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0, timeout=WAIT_SECONDS) as client:
        begun = len(pids(log))
        work = [asyncio.create_task(transcribed(client)) for _ in range(12)]
        async with asyncio.timeout(WAIT_SECONDS):
            while len(pids(log)) <= begun:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        os.kill(pids(log)[-1], signal.SIGKILL)
        texts = await asyncio.gather(*work)
    assert len(set(texts)) == 1


def event(is_set: bool) -> asyncio.Event:
    made = asyncio.Event()
    if is_set:
        made.set()
    return made


@pytest.mark.parametrize(("loaded", "failed", "kind"), [(True, False, "complete"), (False, True, "failed")])
async def test_it_has_started_when_its_models_are_loaded(loaded: bool, failed: bool, kind: str) -> None:
    from endpoint.serving import LoadedFirst

    class App:
        state = SimpleNamespace(server=SimpleNamespace(loaded=event(loaded), failed=event(failed)))

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "lifespan.startup.complete"})

    sent = list[str]()

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await LoadedFirst(App())({"type": "lifespan"}, None, send)
    assert sent == [f"lifespan.startup.{kind}"]


@pytest.mark.parametrize(("seconds", "replicas"), [({}, 1), ({"a": 10.0}, 1), ({"a": 600.0, "b": 601.0}, 3)])
def test_there_are_engines_for_the_audio_under_way(seconds: dict[str, float], replicas: int) -> None:
    from endpoint.serving import AUDIO_SECONDS, AudioPolicy

    context: Any = SimpleNamespace(aggregated_metrics={AUDIO_SECONDS: seconds})
    assert AudioPolicy(600.0)(context) == (replicas, {})


def test_the_api_needs_the_address_of_the_engines() -> None:
    from endpoint.errors import ConfigError
    from endpoint.serving import api

    with pytest.raises(ConfigError, match="address of Serve"):
        api({})
