"""schemathesis: it generates requests from the OpenAPI document, and checks every response against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.conftest import KEY
from tests.conformance.report import FOLDER

Property = Callable[[str, object], None]
ROOT = Path(__file__).parents[2]
SEED = 4
# Forms are lenient by design: an empty field is absent, unknown ones are ignored, and 0, no and off are false.
NOT_ASKED = "negative_data_rejection"


def fuzz(base: str, name: str, examples: int, mode: str, folder: Path, *more: str) -> int:
    """Run schemathesis with its checks and ours, and return the number of requests. It writes to `folder` only."""
    report = FOLDER.absolute() / f"{name}.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json", f"--mode={mode}"]
    command += ["--checks=all", f"--exclude-checks={NOT_ASKED}", f"--max-examples={examples}", f"--seed={SEED}"]
    command += ["--continue-on-failure", "--generation-database=none", "--no-color", "--warnings=off"]
    command += ["--report=json", f"--report-json-path={report}", *more]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.conformance.hooks", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
    log = FOLDER / f"{name}.log"
    log.write_bytes(done.stdout + done.stderr)
    assert done.returncode == 0, f"see {log} for what failed"
    found = json.loads(report.read_text())
    assert found["complete"]
    assert not found["failures"]
    assert not found["errors"]
    assert found["operations"]["tested"] == found["operations"]["total"]
    return int(found["test_cases"]["generated"])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["positive", "all"])
def test_fake(fake: str, mode: str, record_property: Property, tmp_path: Path) -> None:
    """The whole document, valid requests and all kinds"""
    requests = fuzz(fake, f"schemathesis-{mode}", 100, mode, tmp_path)
    record_property("requests", requests)
    assert requests > 1_000


@pytest.mark.timeout(3600)
def test_keyed(keyed: str, record_property: Property, tmp_path: Path) -> None:
    """With a key: the document says which routes need it, and they respond to nothing without it"""
    header = f"--header=Authorization: Bearer {KEY}"
    record_property("requests", fuzz(keyed, "schemathesis-keyed", 20, "all", tmp_path, header))


@pytest.mark.timeout(3600)
def test_real(real: str, record_property: Property, tmp_path: Path) -> None:
    """The whole document on the real engine"""
    record_property("requests", fuzz(real, "schemathesis-real", 15, "all", tmp_path))
