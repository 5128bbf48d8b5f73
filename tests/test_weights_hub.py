"""The hub: what is asked of its client, which is pretended."""

from __future__ import annotations

from pathlib import Path

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub", reason="comes with the engine")

from endpoint.errors import ConfigError  # noqa: E402
from endpoint.weights import hub  # noqa: E402


def test_pickles_are_never_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def snapshot(name: str, *, allow_patterns: list[str], token: str | None) -> str:
        asked.append(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    (tmp_path / "model.safetensors").touch()
    assert hub.download("some/whisper", "token") == tmp_path
    assert len(asked) == 1
    (tmp_path / "model.safetensors").unlink()
    hub.download("some/faster-whisper")  # in CTranslate2's format there are no safetensors
    assert "model.bin" in asked[-1]
    assert not {"*.bin", "*.pt", "*.py", "pytorch_model.bin"} & {pattern for patterns in asked for pattern in patterns}


def test_any_failure_of_the_client_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(ConfigError, match=r"cannot get x from the hub \(OSError\)"):
        hub.download("x")
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fails)
    assert not hub.answers()
