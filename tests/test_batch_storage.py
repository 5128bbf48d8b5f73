"""Files of folders and of buckets, by the same calls."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from endpoint.batch.storage import TEMPORARY, Storage, joined
from endpoint.errors import MissingAudio, StoreUnavailable
from tests.s3_server import ACCOUNT, s3_server


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "folder":
        return str(tmp_path)
    for name, value in {**ACCOUNT, "AWS_ENDPOINT_URL": request.getfixturevalue("service")}.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{tmp_path.name}"


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    if made._connected is not None:
        made._connected[0].close()  # so that no warning of open sockets comes later


def test_what_is_written_is_read_found_and_deleted(base: str, storage: Storage) -> None:
    path = joined(base, "a", "b.bin")
    storage.write(path, b"first")
    storage.write(path, b"second")
    storage.write(joined(base, "c.bin"), b"")
    assert storage.read(path) == b"second"
    assert storage.find(path).size == 6
    assert storage.find(path).modified_ms > 1_600_000_000_000
    assert {one.path for one in storage.walk(base)} == {path, joined(base, "c.bin")}
    assert [one.path for one in storage.walk(joined(base, "a"))] == [path]
    storage.delete(path)
    storage.delete(path)
    assert [one.path for one in storage.walk(base)] == [joined(base, "c.bin")]


def test_what_is_not_there_has_an_error_of_its_own(base: str, storage: Storage) -> None:
    for call in (storage.read, storage.find):
        with pytest.raises(MissingAudio, match="nothing"):
            call(joined(base, "nothing.wav"))
    assert list(storage.walk(joined(base, "nothing"))) == []


def test_it_goes_to_other_processes(base: str, storage: Storage) -> None:
    storage.write(joined(base, "x"), b"x")
    other = pickle.loads(pickle.dumps(storage))
    assert other.read(joined(base, "x")) == b"x"
    if other._connected is not None:
        other._connected[0].close()


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "part"
    Storage().write(str(path), b"before")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        Storage().write(str(path), b"after")
    assert path.read_bytes() == b"before"
    assert not list(tmp_path.glob(f"{TEMPORARY}*"))
