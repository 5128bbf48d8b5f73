"""Every query of the dashboards and alerts runs on a real Prometheus that scrapes a real server."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import yaml

from benchmarks.prometheus import RULES, Prometheus, prometheus
from deploy.grafana.__main__ import FOLDER, written
from deploy.grafana.panels import DASHBOARDS
from endpoint.net import free_port
from endpoint.observe import metrics
from endpoint.observe.gpu import Gpus
from tests.debian import find_program
from tests.hooks import receiving
from tests.supervised import supervised
from tests.test_observe_gpu import NVML

SOUND = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
SECONDS = 240  # until every query has a result
# Of GPUs, of vLLM, of a language model, and of servers with one process.
NOT_HERE = re.compile(r"stt_gpu_|vllm:|stt_postprocess_|process_resident")
QUIET = {query for query in (expr for panels in DASHBOARDS.values() for panel in panels for expr, _ in panel.queries)
         if re.search(r"stt_refused_requests|stt_live_lag", query)}  # fmt: skip


def panel_queries() -> list[str]:
    found = [expr for panels in DASHBOARDS.values() for panel in panels for expr, _ in panel.queries]
    return list(dict.fromkeys(found))


def alert_queries() -> list[str]:
    return [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def plain(query: str) -> str:
    return query.replace("$__rate_interval", "1m")


def known_names() -> set[str]:
    """Of all series that there can be."""
    families = [*metrics.REGISTRY.collect(), *Gpus(NVML).collect()]
    kinds = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
    names = {family.name + suffix for family in families for suffix in kinds[family.type]}
    return names | {"up", "process_resident_memory_bytes"}


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_the_files_are_what_the_program_writes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == written(name), "python -m deploy.grafana writes it"
    panels = json.loads(written(name))["panels"]
    taken = [(p["gridPos"]["x"] + dx, p["gridPos"]["y"] + dy) for p in panels
             for dx in range(p["gridPos"]["w"]) for dy in range(p["gridPos"]["h"])]  # fmt: skip
    assert len(taken) == len(set(taken)), "panels overlap"


def test_queries_name_series_that_there_are() -> None:
    named = {name for query in [*panel_queries(), *alert_queries()] for name in re.findall(r"\b(?:stt_|vllm:)[a-z_:]+", query)}  # noqa: E501  # fmt: skip
    of_vllm = {name for name in named if name.startswith("vllm:")}
    assert named - of_vllm <= known_names()
    found = find_spec("vllm")
    assert found is not None
    assert found.origin is not None
    theirs = (Path(found.origin).parent / "v1" / "metrics" / "loggers.py").read_text()
    assert {name for name in of_vllm if f'"{name}"' not in theirs} == set()


def test_every_series_of_ours_is_on_a_dashboard() -> None:
    """What nobody looks at need not be counted."""
    shown = " ".join([*panel_queries(), *alert_queries()])
    unseen = {family.name for family in metrics.REGISTRY.collect() if family.name not in shown}
    assert unseen == {"stt_info"}


def test_every_alert_says_what_to_do() -> None:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert len(rule["annotations"]["runbook"]) > 40
            assert rule["annotations"]["summary"]


@pytest.fixture(scope="module")
def program() -> str:
    return find_program(["prometheus"], "prometheus")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
)
def test_promtool_finds_no_fault(program: str, arguments: tuple[str, ...]) -> None:
    tool = find_program(["promtool"], "prometheus")
    done = subprocess.run([tool, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scraped(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, str]]:
    """A Prometheus, and the base URL of the server of three processes that it scrapes."""
    folder, port = tmp_path_factory.mktemp("dashboards"), free_port()
    settings = {"metrics_port": port, "metrics_key_names": True, "url_networks": "127.0.0.0/8", "engine": "fake"}
    settings |= {"api_processes": 3, "decode_workers": 3, "jobs_url": folder / "jobs.db"}
    with (
        supervised(folder / "output.txt", **settings) as server,
        prometheus(program, folder, [f"127.0.0.1:{port}"]) as scraping,
    ):
        server.wait()
        yield scraping, server.base
        server.process.terminate()
        server.process.wait(120)


def test_every_query_has_a_result(scraped: tuple[Prometheus, str]) -> None:
    scraping, base = scraped
    left = [query for query in panel_queries() if not NOT_HERE.search(query) and query not in QUIET]
    end = time.monotonic() + SECONDS
    with receiving() as hooks:
        while left and time.monotonic() < end:  # counters have a rate once they have grown
            traffic(base, hooks.url)
            left = [query for query in left if not scraping.query(plain(query))]
            time.sleep(1)
    assert left == []
    for query in [*QUIET, *(query for query in panel_queries() if NOT_HERE.search(query))]:
        scraping.query(plain(query))  # has no result here, and no error


def traffic(base: str, receiver: str) -> None:
    """Something of everything: requests, one that fails, one that is unknown, jobs, a webhook."""
    with httpx.Client(base_url=base, timeout=60) as client:
        for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
            assert client.post(path, files={"file": SOUND}).status_code == 200
        assert client.post("/v1/audio/transcriptions", files={"file": b"no audio"}).status_code == 400
        assert client.get("/nothing").status_code == 404
        form = {"callback_url": receiver}
        assert client.post("/v1/audio/jobs", files={"file": SOUND}, data=form).status_code == 202


def test_rules_are_evaluated_without_an_error(scraped: tuple[Prometheus, str]) -> None:
    scraping, _ = scraped
    end = time.monotonic() + SECONDS
    while any(rule["health"] == "unknown" for rule in scraping.rules()):
        assert time.monotonic() < end
        time.sleep(0.5)
    assert {rule["name"]: rule.get("lastError") for rule in scraping.rules() if rule["health"] != "ok"} == {}
    assert len(scraping.rules()) == len(alert_queries())
    assert [target["lastError"] for target in scraping.targets()] == [""]
