"""Which recordings are transcribed: files, folders, globs, buckets and manifests."""

from __future__ import annotations

import fnmatch
import glob
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from endpoint.batch.storage import S3, Found, Storage, joined
from endpoint.errors import InvalidRequest, MissingAudio
from endpoint.languages import AUTO, find_language

# Names of files that are looked for in folders, buckets and globs; one that is named itself may have any name.
MEDIA = frozenset({
    "3g2", "3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "eac3",
    "flac", "flv", "m2ts", "m4a", "m4b", "m4v", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpeg", "mpg", "mts", "mxf",
    "oga", "ogg", "ogv", "opus", "ra", "rm", "snd", "spx", "tta", "voc", "w64", "wav", "webm", "wma", "wmv", "wv",
})  # fmt: skip
MANIFESTS = ("csv", "jsonl", "ndjson", "parquet")
COLUMNS = ("path", "language", "prompt", "metadata")
_WILD = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Item:
    """A recording that is to be transcribed. language: code, None: of the command. metadata: JSON, or empty."""

    found: Found
    language: str | None = None
    prompt: str | None = None
    metadata: str = ""

    @property
    def path(self) -> str:
        return self.found.path


@dataclass
class Listing:
    """items: in the order of the sources, each path once. left_out: files of folders that are no recordings by their
    name. twice: paths that were named again, with other columns; the first holds.
    """

    items: list[Item]
    left_out: int = 0
    twice: int = 0


def list_sources(sources: Iterable[str], storage: Storage) -> Listing:
    """Raises InvalidRequest for a source that names nothing, StoreUnavailable for one that cannot be read."""
    listing, seen = Listing([]), dict[str, Item]()
    for source in sources:
        named, left_out = 0, listing.left_out
        for item in _each(source, storage, listing):
            named += 1
            first = seen.setdefault(item.path, item)
            listing.twice += first != item
        if not named and listing.left_out == left_out:
            raise InvalidRequest(f"{source}: there is no such file, folder, object or match")
    listing.items = list(seen.values())
    return listing


def _each(source: str, storage: Storage, listing: Listing) -> Iterator[Item]:
    if _suffix(source) in MANIFESTS and not _WILD.search(source):
        yield from read_manifest(_absolute(source), storage)
    elif _WILD.search(source):
        yield from map(Item, _media(_matches(source, storage), listing))
    elif source.startswith(S3):
        yield from _object_or_folder(source, storage, listing)
    elif os.path.isdir(source):
        yield from map(Item, _media(storage.walk(_absolute(source)), listing))
    elif os.path.exists(source):
        yield Item(storage.find(_absolute(source)))


def _object_or_folder(source: str, storage: Storage, listing: Listing) -> Iterator[Item]:
    if not source.endswith("/"):
        try:
            yield Item(storage.find(source))
        except MissingAudio:
            pass
        else:
            return
    yield from map(Item, _media(storage.walk(source), listing))


def _matches(pattern: str, storage: Storage) -> Iterator[Found]:
    if not pattern.startswith(S3):
        yield from (storage.find(path) for path in sorted(glob.glob(_absolute(pattern), recursive=True))
                    if os.path.isfile(path))  # fmt: skip
        return
    wild = _WILD.search(pattern)
    assert wild is not None
    folder = pattern[: wild.start()].rpartition("/")[0]
    yield from (found for found in storage.walk(folder) if fnmatch.fnmatchcase(found.path, pattern))


def _media(found: Iterable[Found], listing: Listing) -> Iterator[Found]:
    for one in found:
        if _suffix(one.path) in MEDIA:
            yield one
        else:
            listing.left_out += 1


def read_manifest(path: str, storage: Storage) -> Iterator[Item]:
    """Items of a table with the column `path`, absolute or from the manifest's folder.

    `language`, `prompt` and `metadata` (JSON) may be there; other columns are put into the metadata. Raises
    InvalidRequest that names the row.
    """
    folder = path.rpartition("/")[0]
    for number, row in enumerate(_rows(path, storage.read(path)), 1):
        named = row.get("path")
        if not isinstance(named, str) or not named:
            raise InvalidRequest(f"{path}: row {number} has no `path`")
        where = named if named.startswith((S3, "/")) else joined(folder, named)
        item = _item(row, f"{path}: row {number}")
        try:
            yield replace(item, found=storage.find(where))
        except MissingAudio:  # found to be missing when it is read, which puts it among the errors
            yield replace(item, found=Found(where, 0, 0))


def _item(row: Mapping[str, Any], where: str) -> Item:
    language = row.get("language") or None
    if language is not None and str(language).strip().lower() == AUTO:
        language = None
    if language is not None and (code := find_language(str(language))) is None:
        raise InvalidRequest(f"{where}: Whisper knows no language {language!r}")
    more = {name: value for name, value in row.items() if name not in COLUMNS and value is not None}
    own = row.get("metadata")
    if isinstance(own, str) and own:
        try:
            own = json.loads(own)
        except ValueError:
            own = {"metadata": own}
    if own:
        more |= own if isinstance(own, dict) else {"metadata": own}
    metadata = json.dumps(more, ensure_ascii=False, default=str) if more else ""
    return Item(Found("", 0, 0), code if language else None, row.get("prompt") or None, metadata)


def _rows(path: str, data: bytes) -> Sequence[dict[str, Any]]:
    """Raises InvalidRequest for what is no table."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        match _suffix(path):
            case "csv":
                table = csv.read_csv(io.BytesIO(data), convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=True))  # fmt: skip
            case "parquet":
                table = parquet.read_table(io.BytesIO(data))
            case _:
                return [json.loads(line) for line in data.decode().splitlines() if line.strip()]
    except (pa.ArrowException, ValueError) as error:
        raise InvalidRequest(f"{path} cannot be read as a manifest: {error}") from error
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _suffix(path: str) -> str:
    return path.rpartition(".")[2].lower()


def _absolute(path: str) -> str:
    return path if path.startswith(S3) else os.path.abspath(path)
