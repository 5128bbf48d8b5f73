"""`endpoint batch` with the fake engine, on a cluster of Ray and on a Ray of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from endpoint.batch.output import ERRORS, TRANSCRIPTS
from endpoint.batch.storage import Storage
from tests.ray_cluster import ray_cluster
from tests.s3_server import ACCOUNT, s3_server

RECORDINGS = Path(__file__).parents[1] / "endpoint" / "demo" / "recordings"
RUN_SECONDS = 300


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def address(service: str) -> Iterator[str]:
    """Of a cluster whose nodes reach the bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ACCOUNT, "AWS_ENDPOINT_URL": service}.items():
            patch.setenv(name, value)
        with ray_cluster(nodes=2, cpus=1) as cluster:
            yield cluster.address


def batch(*flags: object, **environment: str) -> tuple[int, str]:
    """(exit status, standard error)."""
    command = [sys.executable, "-m", "endpoint", "batch", *map(str, flags)]
    own = {**os.environ, "ENGINE": "fake", "RAY_LOG_TO_STDERR": "0", "COLUMNS": "300", **environment}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    return done.returncode, done.stderr


def rows(output: Path, kind: str = TRANSCRIPTS) -> dict[str, dict[str, Any]]:
    """By name of the file; each is there once."""
    found = [row for path in (output / kind).glob("*.parquet") for row in parquet.read_table(path).to_pylist()]
    named = {row["path"].rpartition("/")[2]: row for row in found}
    assert len(named) == len(found)
    return named


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten recordings, and two files that are none."""
    folder = tmp_path / "source"
    folder.mkdir()
    for path in sorted(RECORDINGS.glob("*.flac"))[:10]:
        shutil.copy(path, folder)
    (folder / "broken.wav").write_bytes(b"RIFF of nothing")
    (folder / "empty.mp3").write_bytes(b"")
    return folder


def test_bad_files_end_nothing_and_only_what_has_changed_is_done_again(
    source: Path, tmp_path: Path, address: str
) -> None:
    output = tmp_path / "output"
    given = (source, "--output", output, "--address", address, "--write", "srt", "--write", "txt", "--words")
    status, errors = batch(*given, "--price", "3")
    assert status == 1, errors
    first, bad = rows(output), rows(output, ERRORS)
    assert len(first) == 10
    row = first["LJ001-0001.flac"]
    assert row["text"].split()[0] == "delta"
    assert (row["language"], row["model"], len(row["content"]), row["error"]) == ("en", "fake", 64, None)
    assert [word["word"] for word in row["words"]] == row["text"].split()
    assert row["duration"] == pytest.approx(9.655)
    assert {"decode", "vad", "encode+decode", "read"} <= {stage for stage, _ in row["seconds"]}
    assert {name: one["error"] for name, one in bad.items()} == {
        "broken.wav": "invalid_audio", "empty.mp3": "empty_file"
    }  # fmt: skip
    assert bad["broken.wav"]["error_message"]
    assert len(list((output / "subtitles").glob("*.srt"))) == len(list((output / "subtitles").glob("*.txt"))) == 10
    assert (output / "report.html").read_text().count("invalid_audio") == 2
    assert "USD" in errors

    before, names = first, sorted(first)
    os.utime(source / names[0], (1, 1))  # touched
    shutil.copy(source / names[2], source / names[1])  # changed
    shutil.copy(source / names[2], source / "broken.wav")  # mended
    status, errors = batch(*given)
    assert status == 0, errors
    assert "2 transcribed, 10 were done before" in errors
    after = rows(output)
    assert rows(output, ERRORS).keys() == {"empty.mp3"}
    assert after[names[1]]["text"] == after["broken.wav"]["text"] == before[names[2]]["text"]
    assert after[names[0]] == before[names[0]]

    status, errors = batch(*given, "--language", "de")  # another option: all of it
    assert "11 transcribed" in errors
    assert {row["language"] for row in rows(output).values()} == {"de"}
    status, errors = batch(*given, "--language", "de", "--retry-errors")
    assert status == 1
    assert "0 transcribed, 11 were done before, 1 with an error" in errors


def test_buckets_and_manifests(source: Path, tmp_path: Path, address: str, service: str,
                               monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for name, value in {**ACCOUNT, "AWS_ENDPOINT_URL": service}.items():
        monkeypatch.setenv(name, value)
    storage, paths = Storage(), sorted(source.glob("LJ*.flac"))[:3]
    for path in paths:
        storage.write(f"s3://bucket/in/{path.name}", path.read_bytes())
    lines = [
        {"path": f"s3://bucket/in/{paths[0].name}", "language": "fr", "speaker": "Linda"},
        {"path": str(paths[1])},
        {"path": "gone.wav"},
    ]
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    status, errors = batch(manifest, "s3://bucket/in/", "--output", "s3://bucket/out", "--address", address)
    assert status == 1, errors
    found = [one.path for one in storage.walk("s3://bucket/out")]
    tables = [parquet.read_table(pa.BufferReader(storage.read(path))) for path in found if path.endswith(".parquet")]
    done = {row["path"]: row for table in tables for row in table.to_pylist()}
    assert len(done) == sum(map(len, tables)) == 5
    first = done[f"s3://bucket/in/{paths[0].name}"]
    assert (first["language"], json.loads(first["metadata"])) == ("fr", {"speaker": "Linda"})
    assert done[str(tmp_path / "gone.wav")]["error"] == "audio_missing"
    assert "s3://bucket/out/report.html" in found
    storage._client.close()


def test_a_ray_of_its_own_and_an_engine_that_cannot_be_loaded(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    status, errors = batch(source, "--output", output, ENGINE="vllm", MODEL_ID=str(tmp_path / "no-model"))
    assert status == 2, errors
    assert "no-model" in errors
    assert not rows(output)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("nothing/", "--output", "x"), "there is no such"),
        ((".", "--output", "x", "--price", "-1"), "a price is"),
        ((".", "--output", "x", "--language", "klingon"), "knows no language"),
        ((".", "--output", "x", "--max-line-width", "40"), "max-line-width"),
        ((".", "--output", "x", "--multichannel"), "multichannel"),
        ((".", "--output", "x", "--diarize", "--min-speakers", "3", "--max-speakers", "2"), "min_speakers"),
    ],
)
def test_wrong_flags_are_refused(flags: tuple[str, ...], why: str) -> None:
    status, errors = batch(*flags)
    assert status == 2, errors
    assert why in errors
