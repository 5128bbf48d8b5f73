"""The folder of the output: parts, each written once and whole; one row for a recording, whatever happened before.

    OUTPUT/transcripts/part-….parquet   a row for each recording that was transcribed
    OUTPUT/errors/part-….parquet        a row for each that was not, with the reason
    OUTPUT/subtitles/…                  by choice a file for each recording
    OUTPUT/report.html

A part is written under another name, or as an object, and is there when it is complete; what a part holds stands at
its own end (Parquet's footer, with `MANIFEST`). A later row of a path takes the place of an earlier one: `settle`
writes parts with such rows again, first the new part and then no longer the old one, so that an end at any moment loses
nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import compute, parquet

from endpoint.batch.storage import TEMPORARY, Storage, joined
from endpoint.batch.table import VERSION
from endpoint.errors import InvalidRequest

TRANSCRIPTS, ERRORS = "transcripts", "errors"
MANIFEST = b"whisper-endpoint"  # of a part: its rows, seconds of sound, and the version of the table
PART_ROWS = 4_096  # at most
PART_SECONDS = 20.0  # rows wait for so long at most, and are lost if the driver ends meanwhile
STALE_SECONDS = 3_600.0  # a file that is being written for so long is left over


@dataclass(frozen=True)
class Known:
    """What the output has of a path."""

    size: int
    modified_ms: int
    content: str
    options: str
    error: bool
    lasting: bool


class Output:
    """One driver writes. folder: of this machine, or s3://bucket/prefix."""

    def __init__(self, folder: str, storage: Storage) -> None:
        self.folder, self._storage = folder, storage
        self._waiting: dict[str, list[pa.Table]] = {TRANSCRIPTS: [], ERRORS: []}
        self._oldest = 0.0  # when the first of those that wait came

    # ---- what was done before

    def known(self) -> dict[str, Known]:
        """By path. Raises InvalidRequest for parts of another version."""
        columns = ["path", "size", "modified", "content", "options", "error", "lasting"]
        found = dict[str, Known]()
        for _, table in self._tables(columns):
            modified = table["modified"].cast(pa.int64()).to_pylist()
            rows = zip(*(table[name].to_pylist() for name in columns if name != "modified"), modified, strict=True)
            for path, size, content, options, error, lasting, at in rows:
                found[path] = Known(size, at, content or "", options, error is not None, bool(lasting))
        return found

    def _parts(self) -> list[str]:
        """Of both tables, the oldest first: names begin with the time."""
        kinds = (TRANSCRIPTS, ERRORS)
        paths = [one.path for kind in kinds for one in self._storage.walk(joined(self.folder, kind))]
        found = [path for path in paths if path.endswith(".parquet") and TEMPORARY not in path]
        return sorted(found, key=lambda path: path.rpartition("/")[2])

    def _tables(self, columns: Sequence[str] | None) -> Iterator[tuple[str, pa.Table]]:
        for path in self._parts():
            data = io.BytesIO(self._storage.read(path))
            file = parquet.ParquetFile(data)
            manifest = json.loads((file.schema_arrow.metadata or {}).get(MANIFEST, b"{}"))
            if manifest.get("version") != VERSION:
                raise InvalidRequest(f"{path} was not written by this version of `endpoint batch`")
            yield path, file.read(columns)

    def settle(self) -> int:
        """Leave the last row of each path; returns how many earlier ones went. Left-over files go, too."""
        last = dict[str, tuple[str, int]]()
        rows = 0
        for path, table in self._tables(["path"]):
            rows += len(table)
            last |= {name: (path, number) for number, name in enumerate(table["path"].to_pylist())}
        if rows > len(last):
            self._write_again(last)
        self._remove_stale()
        return rows - len(last)

    def _write_again(self, last: dict[str, tuple[str, int]]) -> None:
        kept: dict[str, list[int]] = {}
        for path, number in last.values():
            kept.setdefault(path, []).append(number)
        for path, table in self._tables(None):
            own = sorted(kept.get(path, ()))
            if len(own) < len(table):
                if own:
                    self._put(path.rpartition("/")[0], table.take(pa.array(own)), path.rpartition("part-")[2][:15])
                self._storage.delete(path)

    def _remove_stale(self) -> None:
        for found in [*self._storage.walk(self.folder)]:
            old = time.time() - found.modified_ms / 1000 > STALE_SECONDS
            if old and found.path.rpartition("/")[2].startswith(TEMPORARY):
                self._storage.delete(found.path)

    # ---- what is done now

    def add(self, rows: pa.Table) -> None:
        """Rows of the schema. They are written soon; at the latest by `flush`."""
        if not any(self._waiting.values()):
            self._oldest = time.monotonic()
        failed = compute.is_valid(rows["error"])
        for kind, chosen in ((TRANSCRIPTS, compute.invert(failed)), (ERRORS, failed)):
            if len(some := rows.filter(chosen)):
                self._waiting[kind].append(some)
        if sum(map(len, self._waiting[TRANSCRIPTS])) >= PART_ROWS:
            self.flush()

    def flush_old(self) -> None:
        """Write what waits for long."""
        if any(self._waiting.values()) and time.monotonic() - self._oldest > PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        for kind, tables in self._waiting.items():
            if tables:
                self._put(joined(self.folder, kind), pa.concat_tables(tables), f"{time.time_ns() // 1_000_000:015d}")
                tables.clear()

    def _put(self, folder: str, table: pa.Table, moment: str) -> None:
        seconds = compute.sum(table["duration"]).as_py() or 0.0
        about = {"version": VERSION, "rows": len(table), "audio_seconds": round(seconds, 3)}
        table = table.replace_schema_metadata({MANIFEST: json.dumps(about).encode()})
        out = io.BytesIO()
        parquet.write_table(table, out, compression="zstd")
        self._storage.write(joined(folder, f"part-{moment}-{uuid.uuid4().hex[:12]}.parquet"), out.getvalue())

    # ---- all of it

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Of both tables."""
        for _, table in self._tables(columns):
            yield from table.to_pylist()

    def write(self, name: str, data: bytes) -> str:
        path = joined(self.folder, name)
        self._storage.write(path, data)
        return path


def subtitle_path(folder: str, path: str, suffix: str) -> str:
    """Where the file of a recording is: by its name, with a digest of its whole path, as names occur twice."""
    name = path.rstrip("/").rpartition("/")[2]
    digest = hashlib.sha256(path.encode()).hexdigest()[:10]
    return joined(folder, "subtitles", f"{name.rpartition('.')[0] or name}-{digest}{suffix}")
