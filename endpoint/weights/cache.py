"""Fetched and converted models, each in a folder of the cache. A folder is written under another name, then renamed.

So it is complete or missing, even if a process was killed. A lock lets only one of several processes make it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from endpoint.errors import ConfigError

MANIFEST = "whisper-endpoint.json"  # in every folder of the cache: its source and files
_VERSION = 1  # of the conversions; a new number makes every folder again


@dataclass(frozen=True)
class Entry:
    """A folder of the cache. source: what it was made of, for people. bytes: of all its files."""

    folder: Path
    source: str
    bytes: int


def digest(files: Sequence[Path]) -> str:
    """sha256 in hex of the files' names and contents."""
    total = hashlib.sha256(str(_VERSION).encode())
    for path in files:
        with path.open("rb") as file:
            total.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def whole(cache: Path, name: str, key: str) -> Path | None:
    """The folder `name`-`key`, if it has all its files in their sizes."""
    folder = cache / f"{name}-{key[:16]}"
    return folder if _as_listed(folder) else None


def _as_listed(folder: Path) -> bool:
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def made_once(cache: Path, name: str, key: str, source: str, write: Callable[[Path], None]) -> Path:
    """The folder `name`-`key` of the cache; if it is missing, `write` fills an empty folder that becomes it.

    Raises what `write` raises, and ConfigError where the disk cannot be written; both leave no files behind.
    """
    if found := whole(cache, name, key):
        return found
    target = cache / f"{name}-{key[:16]}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f".{target.name}.lock"):
            if not whole(cache, name, key):
                _make(target, key, source, write)
    except OSError as error:
        raise ConfigError(
            f"{target} cannot be written: {error}. Set MODEL_CACHE to a folder that can, with room for the model"
        ) from error
    return target


def _make(target: Path, key: str, source: str, write: Callable[[Path], None]) -> None:
    cache = target.parent
    for left in cache.glob(f".{target.name}.*.part"):  # of a process that was killed, which released the lock
        shutil.rmtree(left)
    part = cache / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
    part.mkdir()
    try:
        write(part)
        manifest = {"source": source, "sha256": key, "files": {p.name: p.stat().st_size for p in part.iterdir()}}
        (part / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        if target.exists():  # files were removed from it
            shutil.rmtree(target)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A lock held by one process at a time; released also when the process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entries(cache: Path) -> list[Entry]:
    """What is in the cache, by name."""
    found = []
    for manifest in sorted(cache.glob(f"*/{MANIFEST}")):
        try:
            source = str(json.loads(manifest.read_text(encoding="utf-8"))["source"])
            if not _as_listed(manifest.parent):
                source += " (files are missing)"
        except (OSError, ValueError, LookupError, TypeError):
            source = f"unknown, its {MANIFEST} is broken"
        size = sum(path.stat().st_size for path in manifest.parent.rglob("*") if path.is_file())
        found.append(Entry(manifest.parent, source, size))
    return found


def remove(entry: Entry) -> None:
    with locked(entry.folder.parent / f".{entry.folder.name}.lock"):
        (entry.folder / MANIFEST).unlink(missing_ok=True)  # first, so that a partly removed folder is not used
        shutil.rmtree(entry.folder)
