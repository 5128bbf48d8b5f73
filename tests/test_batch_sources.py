"""Sources name recordings: each once, with what a manifest gives of it, and nothing is left out unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from endpoint.batch.sources import Listing, list_sources
from endpoint.batch.storage import Storage
from endpoint.errors import InvalidRequest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b/c.MP3", "b/d.flac", "b/notes.txt", "talk"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * len(name))
    return tmp_path


def names(listing: Listing, folder: Path) -> list[str]:
    return [str(Path(item.path).relative_to(folder)) for item in listing.items]


def test_folders_files_and_globs(folder: Path) -> None:
    found = list_sources([str(folder)], Storage())
    assert names(found, folder) == ["a.wav", "b/c.MP3", "b/d.flac"]
    assert found.left_out == 2
    assert [item.found.size for item in found.items] == [5, 7, 8]
    assert names(list_sources([str(folder / "talk")], Storage()), folder) == ["talk"]
    assert names(list_sources([f"{folder}/**/*.flac", f"{folder}/*.wav"], Storage()), folder) == ["b/d.flac", "a.wav"]


def test_a_path_comes_once(folder: Path) -> None:
    found = list_sources([str(folder / "b"), str(folder), str(folder / "a.wav")], Storage())
    assert names(found, folder) == ["b/c.MP3", "b/d.flac", "a.wav"]
    assert found.twice == 0


def test_a_source_that_names_nothing_is_refused(folder: Path) -> None:
    for source in ("nothing.wav", "nothing/*.wav"):
        with pytest.raises(InvalidRequest, match="nothing"):
            list_sources([str(folder), str(folder / source)], Storage())


ROWS = [
    {"path": "a.wav", "language": "German", "prompt": "Ada", "metadata": '{"id": 1}', "speaker": "x"},
    {"path": "b/c.MP3", "language": "auto", "prompt": None, "metadata": None, "speaker": None},
    {"path": "gone.wav", "language": None, "prompt": None, "metadata": None, "speaker": None},
]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifests_give_language_prompt_and_metadata(folder: Path, kind: str) -> None:
    path = folder / f"list.{kind}"
    if kind == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    elif kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        path.write_text(
            'path,language,prompt,metadata,speaker\na.wav,German,Ada,"{""id"": 1}",x\nb/c.MP3,auto,,,\ngone.wav,,,,\n'
        )
    first, second, third = list_sources([str(path)], Storage()).items
    assert (first.language, first.prompt, json.loads(first.metadata)) == ("de", "Ada", {"speaker": "x", "id": 1})
    assert (second.language, second.prompt, second.metadata) == (None, None, "")
    assert (first.path, third.path, third.found.size) == (str(folder / "a.wav"), str(folder / "gone.wav"), 0)


def test_the_first_row_of_a_path_holds(folder: Path) -> None:
    path = folder / "list.csv"
    path.write_text("path,language\na.wav,de\na.wav,fr\n")
    found = list_sources([str(path)], Storage())
    assert ([item.language for item in found.items], found.twice) == (["de"], 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("file\na.wav\n", "row 1 has no `path`"),
        ("path,language\na.wav,xx\n", "row 1: Whisper knows no"),
        ("", "manifest"),
    ],
)
def test_wrong_manifests_are_refused(folder: Path, text: str, why: str) -> None:
    path = folder / "list.csv"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=why):
        list_sources([str(path)], Storage())
