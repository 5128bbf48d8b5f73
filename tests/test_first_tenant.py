"""docs/first-tenant.md: its commands run, and show what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from endpoint.net import free_port
from tests.debian import find_program
from tests.supervised import CLEAN, supervised

ROOT = Path(__file__).parents[1]
SECONDS = 300
SERVER, *STEPS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "first-tenant.md").read_text(), flags=re.DOTALL)


def exported(block: str) -> dict[str, str]:
    """What the block sets, by lower-case name."""
    (line,) = [line for line in block.splitlines() if line.startswith("export")]
    return {name.lower(): value for name, _, value in (word.partition("=") for word in shlex.split(line)[1:])}


def run(commands: str, folder: Path, environment: dict[str, str]) -> str:
    """What they print."""
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)
def test_a_key_a_limit_a_usage_report_and_a_dashboard(tmp_path: Path) -> None:
    find_program(["prometheus"], "prometheus")
    port, store = free_port(), tmp_path / "jobs.db"
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    given = exported(SERVER) | {"metrics_port": port, "engine": "fake", "api_processes": 1, "jobs_url": store}
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{CLEAN['PATH']}", "PYTHONPATH": str(ROOT)}
    environment = CLEAN | environment | {"JOBS_URL": str(store), "XDG_STATE_HOME": str(tmp_path)}
    with supervised(tmp_path / "output.txt", **given, xdg_state_home=tmp_path) as server:
        server.wait()
        asked, usage, drawn = (
            block.replace("http://localhost:8000", server.base)
            .replace("--seconds 60", "--seconds 8")
            .replace("localhost:9464", f"127.0.0.1:{port}")
            for block in STEPS
        )
        assert "x-ratelimit-remaining-requests: 1" in run(asked, tmp_path, environment)
        end = time.monotonic() + SECONDS
        while not re.search(r"alice key_\w+ │ +1 │", shown := run(usage, tmp_path, environment)):
            assert time.monotonic() < end, shown  # the ledger is written a moment after the response
        assert re.search(r"0\.000\d+ │", shown)
        run(drawn, tmp_path, environment)
        server.process.terminate()
        server.process.wait(120)
    for name in ("overview", "capacity", "quality", "tenants"):
        assert "</svg>" in (tmp_path / f"{name}.svg").read_text()
