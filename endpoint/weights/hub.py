"""Models of the hub, downloaded on first use and kept in the hub client's own cache."""

from __future__ import annotations

from pathlib import Path

from endpoint.errors import ConfigError

_WANTED = ("*.json", "*.txt", "*.safetensors")  # never pickles, never code
_CTRANSLATE2 = ("model.bin", "*.json", "*.txt")


def download(name: str, token: str | None = None) -> Path:
    """The folder of a hub name, in Hugging Face's or CTranslate2's format. Raises ConfigError."""
    from huggingface_hub import snapshot_download  # comes with the engine, not with the base package

    try:
        folder = Path(snapshot_download(name, allow_patterns=list(_WANTED), token=token))
        if not list(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=list(_CTRANSLATE2), token=token))
    except Exception as error:  # any of the hub client's, httpx's or the disk's
        raise ConfigError(
            f"cannot get {name} from the hub ({type(error).__name__}). Check the name and the network, set HF_TOKEN "
            "for a gated model, or set MODEL_ID to a folder"
        ) from error
    return folder


def answers() -> bool:
    """Whether the hub can be reached."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info("openai/whisper-base", timeout=10)
    except Exception:  # any of the hub client's or httpx's
        return False
    return True
