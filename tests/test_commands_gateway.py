"""`endpoint gateway` and engine servers as processes: no model code, engines lost and restarted under load."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
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

# Refuses whatever is not in requirements/base.txt, as in the image whisper-gateway, where it is not installed.
ONLY_BASE = """
import re, sys
from importlib.metadata import packages_distributions
lines = open("requirements/base.txt").read().splitlines()
base = {re.sub("[-_.]+", "-", line.partition("==")[0]).lower() for line in lines} | {"whisper-endpoint"}
owners = packages_distributions()
class Refuses:
    def find_spec(self, name, path=None, target=None):
        own = {re.sub("[-_.]+", "-", one).lower() for one in owners.get(name.partition(".")[0], ())}
        if own and not own & base:
            raise ImportError(f"{name} is not in the image")
sys.meta_path.insert(0, Refuses())
from endpoint.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_packages_of_its_image_are_enough(tmp_path: Path) -> None:
    program = tmp_path / "gateway.py"
    program.write_text(ONLY_BASE.replace("requirements/base.txt", str(ROOT / "requirements" / "base.txt")))
    settings = COMMON | {"JOBS_URL": str(tmp_path / "jobs.db"), "PYTHONPATH": str(ROOT)}
    with ExitStack() as stack:
        engine = stack.enter_context(engine_at(tmp_path / "engine.log"))
        command = (str(program), "gateway", "--engines", engine.base)
        front = stack.enter_context(supervised(tmp_path / "gateway.log", *command, **settings))
        front.wait()
        with httpx.Client(base_url=front.base, timeout=120) as client:
            sent = client.post("/v1/audio/transcriptions", files={"file": ("a.flac", SPEECH.read_bytes())})
            assert sent.status_code == 200, sent.text
            job = client.post("/v1/audio/jobs", files={"file": ("a.flac", SPEECH.read_bytes())}).json()["id"]
            while (status := client.get(f"/v1/audio/jobs/{job}").json()["status"]) in ("queued", "running"):
                time.sleep(0.1)
            assert status == "succeeded"


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
