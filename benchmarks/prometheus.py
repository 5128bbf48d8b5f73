"""A Prometheus of its own that scrapes given addresses every second, and what it is asked."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endpoint.net import free_port

START_SECONDS = 120
RULES = Path(__file__).parent.parent / "deploy" / "prometheus" / "rules.yml"


@dataclass(frozen=True)
class Prometheus:
    base: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now. Raises urllib.error.HTTPError where it is none."""
        found: list[dict[str, Any]] = self._get("query", {"query": expression})["result"]
        return found

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Its series between two moments, in seconds since 1970."""
        given = {"query": expression, "start": str(start), "end": str(end), "step": str(step)}
        found: list[dict[str, Any]] = self._get("query_range", given)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("targets", {})["activeTargets"]
        return found

    def _get(self, what: str, given: Mapping[str, str]) -> dict[str, Any]:
        address = f"{self.base}/api/v1/{what}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(address, timeout=60) as response:
            body = json.load(response)
        assert body["status"] == "success", body
        data: dict[str, Any] = body["data"]
        return data


@contextmanager
def prometheus(
    program: str, folder: Path, targets: Sequence[str], labels: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[Prometheus]:
    """Running, with the repository's rules, and data in `folder`. targets: host:port of what it scrapes.

    labels: by target, what a cluster would add to its series.
    """
    jobs = [{"targets": [target], "labels": dict((labels or {}).get(target, {}))} for target in targets]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "stt", "static_configs": jobs}],
    }
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(config))  # JSON is YAML
    port = free_port()
    command = [program, f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.txt").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(base, process, folder / "prometheus.txt")
        yield Prometheus(base)
    finally:
        process.kill()
        process.wait()


def _wait(base: str, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, output.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{base}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"Prometheus is not ready: {output.read_text()[-2000:]}")
