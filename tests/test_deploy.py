"""What is deployed asks for keys, unless the platform guards it: deploy/."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_compose_publishes_without_a_key_to_this_machine_only() -> None:
    text = (ROOT / "deploy" / "docker-compose.yml").read_text(encoding="utf-8")
    assert '"${ADDRESS:-127.0.0.1}:${PORT:-8000}:8000"' in text
    assert "HOST=0.0.0.0" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
