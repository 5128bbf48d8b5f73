"""The cache: a folder is there whole or not at all, and made once."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from endpoint.errors import ConfigError
from endpoint.weights.cache import MANIFEST, digest, entries, made_once, remove, whole

KEY = "0123456789abcdef" * 4


def write(part: Path) -> None:
    (part / "model").write_bytes(b"whole")


def test_it_is_made_once_and_listed_and_removed(tmp_path: Path) -> None:
    calls = []

    def counted(part: Path) -> None:
        calls.append(part)
        write(part)

    first = made_once(tmp_path, "base", KEY, "here", counted)
    assert made_once(tmp_path, "base", KEY, "here", counted) == first
    assert len(calls) == 1
    (entry,) = entries(tmp_path)
    assert (entry.folder, entry.source) == (first, "here")
    assert entry.bytes > 5
    remove(entry)
    assert entries(tmp_path) == []
    assert not first.exists()


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails(part: Path) -> None:
        write(part)
        raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"):
        made_once(tmp_path, "base", KEY, "here", fails)
    assert entries(tmp_path) == []
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert (made_once(tmp_path, "base", KEY, "here", write) / "model").read_bytes() == b"whole"


KILLED = """
import sys, time
from pathlib import Path
from endpoint.weights.cache import made_once
def write(part):
    (part / "model").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
made_once(Path(sys.argv[1]), "base", sys.argv[2], "here", write)
"""


def test_one_that_is_killed_leaves_nothing_half(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path, KEY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert entries(tmp_path) == []
    folder = made_once(tmp_path, "base", KEY, "here", write)
    assert (folder / "model").read_bytes() == b"whole"
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [folder]


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    inside, go, calls = threading.Event(), threading.Event(), []

    def slow(part: Path) -> None:
        calls.append(part)
        inside.set()
        assert go.wait(60)
        write(part)

    threads = [threading.Thread(target=made_once, args=(tmp_path, "base", KEY, "here", slow)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert inside.wait(60)
    go.set()
    for thread in threads:
        thread.join(60)
    assert len(calls) == 1


def test_the_key_is_of_names_and_contents(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"same")
    other.write_bytes(b"same")
    assert digest([one]) == digest([one]) != digest([other])
    before = digest([one])
    one.write_bytes(b"else")
    assert digest([one]) != before


def test_another_files_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert entries(tmp_path) == []
    assert entries(tmp_path / "none") == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "model").unlink(),
        lambda folder: (folder / "model").write_bytes(b"who"),
        lambda folder: (folder / MANIFEST).unlink(),
        lambda folder: (folder / MANIFEST).write_text("{"),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / MANIFEST).write_text('{"source": 1, "files": 3}'),
    ],
)
def test_a_folder_that_somebody_took_from_is_made_again(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    folder = made_once(tmp_path, "base", KEY, "here", write)
    assert whole(tmp_path, "base", KEY) == folder
    (folder / "other").touch()
    spoil(folder)
    assert whole(tmp_path, "base", KEY) is None
    assert made_once(tmp_path, "base", KEY, "here", write) == folder == whole(tmp_path, "base", KEY)
    assert {path.name for path in folder.iterdir()} == {"model", MANIFEST}


def test_a_folder_that_lacks_files_is_listed_as_such(tmp_path: Path) -> None:
    folder = made_once(tmp_path, "base", KEY, "here", write)
    (folder / "model").unlink()
    assert [entry.source for entry in entries(tmp_path)] == ["here (files are missing)"]


@pytest.mark.parametrize("manifest", ["{", "[]", "{}", "3"])
def test_a_folder_of_a_broken_manifest_is_listed_and_can_be_removed(manifest: str, tmp_path: Path) -> None:
    folder = made_once(tmp_path, "base", KEY, "here", write)
    (folder / MANIFEST).write_text(manifest)
    (folder / "more").mkdir()
    (entry,) = entries(tmp_path)
    assert "broken" in entry.source
    remove(entry)
    assert not folder.exists()


def test_a_disk_that_refuses_is_a_wrong_setting(tmp_path: Path) -> None:
    def full(part: Path) -> None:
        write(part)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ConfigError, match=r"No space left on device\. Set MODEL_CACHE"):
        made_once(tmp_path, "base", KEY, "here", full)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="MODEL_CACHE"):
        made_once(tmp_path / "file", "base", KEY, "here", write)
