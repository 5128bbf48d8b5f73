"""`endpoint models`: pull, list and rm on a cache of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("safetensors", reason="the base build has no engine")

from endpoint.__main__ import main
from endpoint.weights.cache import MANIFEST
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


def test_a_folder_that_lost_files_is_shown_made_again_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("MODEL_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "300")
    source = foreign.ctranslate2(tmp_path / "mine", "float16")
    assert main(["models", "pull", str(source)]) == 0
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    (folder / "model.safetensors").unlink()
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    assert "files are missing" in capsys.readouterr().out
    assert main(["models", "pull", str(source)]) == 0
    assert (folder / "model.safetensors").exists()
    (folder / MANIFEST).write_text("{")
    assert main(["models", "list"]) == 0
    assert main(["models", "rm", folder.name]) == 0
    assert not folder.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../mine", "/"])
def test_nothing_but_a_name_of_the_list_is_removed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine").mkdir()
    assert main(["models", "rm", name]) == 2
    assert "is not in" in capsys.readouterr().err
    assert (tmp_path / "mine").exists()


def test_a_cache_that_cannot_be_written_is_reported_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "file"))
    assert main(["models", "pull", str(foreign.ctranslate2(tmp_path / "mine", "float16"))]) == 2
    assert "MODEL_CACHE" in capsys.readouterr().err


def test_the_models_that_find_speakers_are_pulled_by_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setattr("endpoint.weights.speakers.fetch_speakers", lambda cache, progress: cache / "speakers-0")
    assert main(["models", "pull", "speakers"]) == 0
    assert "speakers-0" in capsys.readouterr().out.replace("\n", "")
