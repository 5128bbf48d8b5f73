"""`endpoint gateway` and engine servers as processes: no model code, engines lost and restarted under load."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from endpoint.commands import gateway, serve
from endpoint.errors import ConfigError
from tests.gateway_support import TOKEN, until
from tests.servers import Server
from tests.supervised import supervised
from tests.test_architecture import ROOT
from tests.test_architecture_request import SPEECH

HEAVY = ("torch", "vllm", "transformers", "tokenizers", "numba", "onnxruntime", "librosa", "av")
LIGHT = f"""
import asyncio, sys
import endpoint.commands.gateway
from endpoint.config import Settings
from endpoint.wiring import build_app
app = build_app(Settings(engines="http://127.0.0.1:1", engine_token="{TOKEN}", jobs_url="off"))
async def run():
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0)
asyncio.run(run())
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_no_model_code_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_needs_engine_servers() -> None:
    with pytest.raises(ConfigError, match="ENGINES"):
        gateway.run([])
    with pytest.raises(ConfigError, match="ENGINE_TOKEN"):
        gateway.run(["--engines", "http://127.0.0.1:1"])


def test_serve_is_not_taken_for_it() -> None:
    with pytest.raises(ConfigError, match="endpoint gateway"):
        serve.run(["--engines", "http://127.0.0.1:1", "--engine-token", TOKEN])


# ---- processes

COMMON = {"ENGINE_TOKEN": TOKEN, "JOBS_URL": "off", "DECODE_WORKERS": 1, "API_PROCESSES": 1}


@contextmanager
def engine_at(output: Path, port: int | None = None) -> Iterator[Server]:
    settings = COMMON | {"ENGINE": "fake", "ENGINE_ARGS": '{"delay": 0.3}'} | ({"PORT": port} if port else {})
    with supervised(output, **settings) as server:
        server.wait()
        yield server


@contextmanager
def gateway_of(output: Path, *engines: Server) -> Iterator[Server]:
    addresses = ",".join(engine.base for engine in engines)
    with supervised(output, "-m", "endpoint", "gateway", "--engines", addresses, **COMMON) as server:
        server.wait()
        yield server


def times_ready(front: Server, base: str) -> int:
    return sum("engine server ready" in line and base in line for line in front.output.read_text().splitlines())


class Load:
    """Requests one after the other from several clients, until stopped. codes: their statuses."""

    def __init__(self, base: str, clients: int = 4) -> None:
        self._base, self._clients, self._stopping = base, clients, False
        self.codes = list[int]()

    async def _client(self) -> None:
        async with httpx.AsyncClient(base_url=self._base, timeout=120) as client:
            while not self._stopping:
                sent = await client.post("/v1/audio/transcriptions", files={"file": ("a.flac", SPEECH.read_bytes())})
                self.codes.append(sent.status_code)

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        await self.more(4)
        return self

    async def more(self, count: int) -> None:
        """Wait for so many more responses."""
        wanted = len(self.codes) + count
        while len(self.codes) < wanted:
            await asyncio.sleep(0.02)
            for task in self._tasks:
                if task.done():
                    task.result()

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)


async def test_an_engine_that_is_killed_costs_no_request(tmp_path: Path) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(engine_at(tmp_path / "a.log"))
        second = stack.enter_context(engine_at(tmp_path / "b.log"))
        front = stack.enter_context(gateway_of(tmp_path / "gateway.log", first, second))
        async with Load(front.base) as load:
            first.process.kill()
            await load.more(8)
        assert set(load.codes) == {200}
        assert "engine server lost" in front.output.read_text()


async def test_a_rolling_restart_costs_no_request(tmp_path: Path) -> None:
    with ExitStack() as stack:
        engines = [stack.enter_context(engine_at(tmp_path / f"{name}.log")) for name in "ab"]
        front = stack.enter_context(gateway_of(tmp_path / "gateway.log", *engines))
        async with Load(front.base) as load:
            for number, engine in enumerate(engines):
                engine.process.terminate()
                assert await asyncio.to_thread(engine.process.wait, 120) == 0
                port = int(engine.base.rpartition(":")[2])
                again = engine_at(tmp_path / f"again-{number}.log", port)
                await asyncio.to_thread(stack.enter_context, again)  # the load goes on meanwhile
                await until(lambda base=engine.base: times_ready(front, base) == 2)
                await load.more(4)
        assert set(load.codes) == {200}
        front.process.terminate()
        assert front.process.wait(120) == 0
