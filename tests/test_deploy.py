"""What is deployed asks for keys, unless the platform guards it: deploy/."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def create(*flags: str, status: int = 0) -> str:
    command = [sys.executable, "deploy/create_endpoint.py", "whisper", "--image", "a/b:1", "--dry-run", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_behind_hugging_faces_proxy_no_key_is_needed() -> None:
    made: dict[str, Any] = json.loads(create())
    assert made["type"] == "authenticated"
    assert made["env"]["ALLOW_ANONYMOUS"] == "true"
    assert "secrets" not in made


def test_a_public_endpoint_needs_a_key() -> None:
    assert "--api-key" in create("--type", "public", status=2)
    made: dict[str, Any] = json.loads(create("--type", "public", "--api-key", "canary"))
    assert made["secrets"] == {"API_KEY": "canary"}
    assert "ALLOW_ANONYMOUS" not in made["env"]


def test_compose_publishes_without_a_key_to_this_machine_only() -> None:
    text = (ROOT / "deploy" / "docker-compose.yml").read_text(encoding="utf-8")
    assert '"${ADDRESS:-127.0.0.1}:${PORT:-8000}:8000"' in text
    assert "HOST=0.0.0.0" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
