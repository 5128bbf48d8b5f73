"""`endpoint models`: pull, list and rm on a cache of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("safetensors", reason="the base build has no engine")

from endpoint.__main__ import main
from tests import foreign


def test_a_model_is_pulled_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("MODEL_CACHE", str(cache))
    assert main(["models", "list"]) == 0
    assert "nothing in" in capsys.readouterr().out
    source = foreign.ctranslate2(tmp_path / "mine", "float16")
    assert main(["models", "pull", str(source)]) == 0
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    assert str(folder) in capsys.readouterr().out.replace("\n", "")
    assert main(["models", "list"]) == 0
    assert folder.name in capsys.readouterr().out
    assert main(["models", "rm", "other"]) == 2
    assert "is not in" in capsys.readouterr().err
    assert main(["models", "rm", folder.name]) == 0
    assert not folder.exists()
