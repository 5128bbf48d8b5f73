"""The output has one row for a path, however often runs ended in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from endpoint.batch import output as module
from endpoint.batch.output import ERRORS, TRANSCRIPTS, Output, subtitle_path
from endpoint.batch.storage import TEMPORARY, Storage
from endpoint.batch.table import SCHEMA, error_row
from endpoint.errors import InvalidAudio, InvalidRequest, StoreUnavailable


def rows(*paths: str, **more: Any) -> pa.Table:
    common = {"size": 1, "modified": 5, "content": "c", "options": "o", "duration": 2.0, "language": "en"}
    return pa.Table.from_pylist([{"path": path, **common, **more} for path in paths], SCHEMA)


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(str(tmp_path), Storage())


def paths_of(folder: Path, kind: str) -> list[str]:
    found = [parquet.read_table(path).column("path").to_pylist() for path in (folder / kind).glob("*.parquet")]
    return sorted(path for part in found for path in part)


def test_rows_are_known_once_they_are_written(output: Output, tmp_path: Path) -> None:
    output.add(rows("a", "b"))
    output.add(rows("c", **error_row(InvalidAudio("no sound"))))
    output.add(rows("d", **error_row(StoreUnavailable("later"))))
    assert output.known() == {}
    output.flush()
    output.flush()
    known = output.known()
    assert {path: (one.error, one.lasting) for path, one in known.items()} == {
        "a": (False, False), "b": (False, False), "c": (True, True), "d": (True, False)
    }  # fmt: skip
    assert (known["a"].size, known["a"].modified_ms, known["a"].content, known["a"].options) == (1, 5, "c", "o")
    assert (paths_of(tmp_path, TRANSCRIPTS), paths_of(tmp_path, ERRORS)) == (["a", "b"], ["c", "d"])
    about = parquet.read_metadata(next((tmp_path / TRANSCRIPTS).glob("*"))).metadata[b"whisper-endpoint"]
    assert about == b'{"version": 1, "rows": 2, "audio_seconds": 4.0}'


def test_parts_are_written_when_they_are_full_or_old(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_ROWS", 3)
    output.add(rows("a", "b"))
    output.flush_old()
    assert output.known() == {}
    output.add(rows("c"))
    assert len(output.known()) == 3
    monkeypatch.setattr(module, "PART_SECONDS", -1.0)
    output.add(rows("d"))
    output.flush_old()
    assert len(output.known()) == 4


def test_the_last_row_of_a_path_holds(output: Output, tmp_path: Path) -> None:
    for batch in (rows("a", "b"), rows("c", **error_row(InvalidAudio("x"))), rows("b", "c", options="new")):
        output.add(batch)
        output.flush()
    assert output.settle() == 2
    assert paths_of(tmp_path, TRANSCRIPTS) == ["a", "b", "c"]
    assert paths_of(tmp_path, ERRORS) == []
    assert {path: one.options for path, one in output.known().items()} == {"a": "o", "b": "new", "c": "new"}
    assert output.settle() == 0


def test_an_end_between_the_steps_of_settling_loses_nothing(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    for batch in (rows("a", "b"), rows("b", options="new")):
        output.add(batch)
        output.flush()
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "delete", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            output.settle()
    assert set(output.known()) == {"a", "b"}
    assert output.settle() > 0
    assert sorted(row["path"] for row in output.rows(["path"])) == ["a", "b"]
    assert output.known()["b"].options == "new"


def test_what_is_half_written_does_not_count(output: Output, tmp_path: Path) -> None:
    output.add(rows("a"))
    output.flush()
    half = tmp_path / TRANSCRIPTS / f"{TEMPORARY}x.parquet"
    half.write_bytes(b"PAR1 half")
    assert set(output.known()) == {"a"}
    output.settle()
    assert half.exists()  # another run may be writing it
    import os

    os.utime(half, (0, 0))
    output.settle()
    assert not half.exists()


def test_parts_of_others_are_refused(output: Output, tmp_path: Path) -> None:
    (tmp_path / TRANSCRIPTS).mkdir()
    parquet.write_table(pa.table({"path": ["a"]}), tmp_path / TRANSCRIPTS / "part-1.parquet")
    with pytest.raises(InvalidRequest, match="this version"):
        output.known()


def test_files_of_recordings_have_names_of_their_own() -> None:
    first, second = (subtitle_path("out", path, ".srt") for path in ("a/talk.wav", "b/talk.wav"))
    assert first != second
    assert Path(first).name.startswith("talk-")
    assert subtitle_path("s3://b/out", "s3://b/talk", ".srt").startswith("s3://b/out/subtitles/talk-")
