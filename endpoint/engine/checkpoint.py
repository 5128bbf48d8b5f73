"""Find a Whisper checkpoint's folder and refuse what is none, before anything expensive is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from endpoint.errors import ConfigError

_WANTED = ("*.json", "*.txt", "*.safetensors")  # never pickles, never code
_ARCHITECTURE = "WhisperForConditionalGeneration"


def find_checkpoint(model: str, token: str | None = None) -> Path:
    """The folder of `model`, a folder or a hub name (downloaded on first use).

    Raises ConfigError that says what to do when it is missing, is no Whisper, or has no safetensors.
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = _download(model, token)
    check_folder(folder)
    return folder


def check_folder(folder: Path) -> None:
    """Raises ConfigError that says what is wrong with a model's folder."""
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


def alignment_heads(folder: Path) -> list[tuple[int, int]]:
    """(layer, head) of the decoder's heads that follow the words; unnamed, all of the deeper half of the layers.

    Heads that the decoder does not have are passed over: distilled checkpoints carry their teacher's list.
    """
    generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layers, heads = int(config["decoder_layers"]), int(config["decoder_attention_heads"])
    named = [(int(layer), int(head)) for layer, head in generation.get("alignment_heads") or ()]
    if there := [(layer, head) for layer, head in named if layer < layers and head < heads]:
        return there
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


def _download(model: str, token: str | None) -> Path:
    if model.startswith(("/", ".")):
        raise ConfigError(f"there is no folder {model}; set MODEL_ID to a Whisper folder or a hub name")
    from huggingface_hub import snapshot_download  # comes with the engine, not with the base package

    try:
        return Path(snapshot_download(model, allow_patterns=list(_WANTED), token=token))
    except Exception as error:  # any of the hub client's, httpx's or the disk's
        raise ConfigError(
            f"cannot get {model} from the hub ({type(error).__name__}). Check the name and the network, set HF_TOKEN "
            "for a gated model, or set MODEL_ID to a folder"
        ) from error
