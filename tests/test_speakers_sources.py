"""What SPEAKER_MODELS names."""

from __future__ import annotations

from pathlib import Path

import pytest

from endpoint.errors import ConfigError
from endpoint.speakers.sources import Source, source_of
from endpoint.speakers.worker.protocol import BUILT_IN, PRINTS, PYANNOTE, SEGMENTATION

HERE = {"HF_TOKEN": "secret", "HOME": "/home/somebody", "KEYS": "others"}


def test_a_folder_of_our_models(tmp_path: Path) -> None:
    for name in (SEGMENTATION, PRINTS):
        (tmp_path / name).touch()
    assert source_of(str(tmp_path), HERE) == Source(BUILT_IN, str(tmp_path))


def test_a_pipeline_of_pyannotes_by_folder_or_name(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    needed = {"HF_TOKEN": "secret", "HOME": "/home/somebody"}
    assert source_of(str(tmp_path), HERE) == Source(PYANNOTE, str(tmp_path), needed)
    name = "pyannote/speaker-diarization-community-1"
    assert source_of(name, HERE) == Source(PYANNOTE, name, needed)


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(source_of("pyannote/community", HERE))


@pytest.mark.parametrize("given", ["/nowhere/models", "./models", "models"])
def test_what_is_neither_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="endpoint models pull speakers"):
        source_of(given, HERE)


def test_a_folder_that_lacks_one_model(tmp_path: Path) -> None:
    (tmp_path / SEGMENTATION).touch()
    with pytest.raises(ConfigError, match=PRINTS):
        source_of(str(tmp_path), HERE)
