"""/metrics: one text of several registries and processes, on its own port if it is set."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY as DEFAULT
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from endpoint.net import free_port
from endpoint.observe.exposition import exposition, keep
from tests.api_support import StandIn, client_of
from tests.servers import Server
from tests.supervised import supervised

ROOT = Path(__file__).parent
SOUND = (ROOT / "audio" / "seven.mp3").read_bytes()


def test_metrics_that_are_registered_again_are_one_metric() -> None:
    """As vLLM's are, of each model."""
    for number, model in enumerate(("a", "b")):
        keep("vllm:canary")
        counter = Counter("vllm:canary", "?", ["model_name"])
        counter.labels(model).inc(number + 1)
    text = exposition().decode()
    assert text.count("# TYPE vllm:canary_total counter") == 1
    assert 'vllm:canary_total{model_name="a"} 1.0' in text
    assert 'vllm:canary_total{model_name="b"} 2.0' in text
    keep("vllm:canary")
    assert not [name for name in DEFAULT._names_to_collectors if name.startswith("vllm:canary")]


@pytest.mark.parametrize(("settings", "status"), [({}, 200), ({"metrics": False}, 404), ({"metrics_port": 1}, 404)])
async def test_the_route_is_there_unless_it_is_elsewhere(settings: dict[str, object], status: int) -> None:
    async with client_of(StandIn(), **settings) as client:
        response = await client.get("/metrics")
    assert response.status_code == status
    if status == 200:
        assert response.headers["content-type"].startswith("text/plain; version=")
        assert {"stt_info", "stt_requests"} <= {family.name for family in text_string_to_metric_families(response.text)}


async def test_it_needs_a_key_that_may_administrate_where_there_are_keys() -> None:
    async with client_of(StandIn(), api_key="secret") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"authorization": "Bearer secret"})).status_code == 403


def read(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
        return response.read().decode()


def total(port: int, name: str, **labels: str) -> float:
    samples = [s for family in text_string_to_metric_families(read(port)) for s in family.samples if s.name == name]
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def test_several_processes_are_counted_together_on_a_port_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    with supervised(
        tmp_path / "output.txt", engine="fake", api_processes=3, decode_workers=3, metrics_port=port, jobs_url="off"
    ) as server:
        server.wait()
        for _ in range(12):  # a new connection each, which any of the processes may get
            done = httpx.post(f"{server.base}/v1/audio/transcriptions", files={"file": SOUND}, timeout=60)
            assert done.status_code == 200
        assert total(port, "stt_requests_total", route="/v1/audio/transcriptions", status="200") == 12
        assert total(port, "stt_audio_done_seconds_total", model="fake") == pytest.approx(12 * 1.642, abs=0.01)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            read(port, "/health")
        assert _status(server, "/metrics") == 404
        server.process.terminate()
        assert server.process.wait(120) == 0


def _status(server: Server, path: str) -> int:
    return httpx.get(server.base + path, timeout=60).status_code


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with supervised(tmp_path / "output.txt", engine="fake", metrics_port=port, jobs_url="off") as server:
            try:
                assert server.process.wait(120) == 2
            except subprocess.TimeoutExpired:
                pytest.fail(server.log_end())
        assert "METRICS_PORT" in server.log_end()
