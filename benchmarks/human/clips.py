"""Human recordings and their reference texts: LJ Speech clips shipped here, Debian's telephone prompts, by apt."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[2] / "endpoint" / "demo" / "recordings"
PROMPTS = ("en", "es", "fr", "it", "ru")
SHORTEST_SECONDS, FEWEST_WORDS = 1.5, 3
_ODD = set("[](){}<>")  # such lines describe a sound


@dataclass(frozen=True)
class Clip:
    """set: of the report. language: code. text: the reference."""

    name: str
    set: str
    language: str
    text: str
    path: Path


def shipped() -> list[Clip]:
    texts = json.loads((HERE / "texts.json").read_text(encoding="utf-8"))
    return [Clip(name, "lj", "en", text, HERE / name) for name, text in texts.items() if name.startswith("LJ")]


def prompts(language: str, folder: Path, count: int) -> list[Clip]:
    """A fixed choice of Debian's asterisk prompts (CC-BY-SA 3.0), fetched into `folder` and not shipped."""
    _fetch(language, folder)
    sounds = next((folder / "usr/share/asterisk/sounds").glob(f"{language}_*"))
    texts = folder / f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    found = []
    with gzip.open(texts, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, _, text = (part.strip() for part in line.partition(":"))
            path = sounds / f"{name}.wav"
            if line.startswith(";") or set(text) & _ODD or len(text.split()) < FEWEST_WORDS or not path.exists():
                continue
            with wave.open(str(path)) as file:
                if file.getnframes() / file.getframerate() >= SHORTEST_SECONDS:
                    found.append(Clip(f"{language}/{name}", language, language, text, path))
    random.Random(0).shuffle(found)
    return sorted(found[:count], key=lambda clip: clip.name)


def _fetch(language: str, folder: Path) -> None:
    if not list(folder.glob(f"usr/share/asterisk/sounds/{language}_*")):
        unpack((f"asterisk-core-sounds-{language}-wav", f"asterisk-core-sounds-{language}"), folder)


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Debian's packages, by apt, unpacked into `folder` and not installed."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        command = ["apt-get", "download", "-q", package]
        if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:  # no lists of packages yet
            subprocess.run(["apt-get", "update", "-q"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", archive, folder], check=True)
        archive.unlink()
