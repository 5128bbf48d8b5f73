"""Models of the hub, downloaded on first use and kept in the hub client's own cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from endpoint.errors import ConfigError

SILENCE_SECONDS = 10.0  # the hub may take to respond
_WANTED = ("*.json", "*.txt", "*.safetensors")  # never pickles, never code
_CTRANSLATE2 = ("model.bin", "*.json", "*.txt")
_DOUBLE = ("*.fp32*",)  # large-v3 holds its weights twice, in float16 and in float32
_PROBE = "openai/whisper-base"


def download(name: str, token: str | None = None) -> Path:
    """The folder of a hub name, in Hugging Face's or CTranslate2's format. Raises ConfigError."""
    from huggingface_hub import snapshot_download  # comes with the engine, not with the base package

    def fetch(local: bool) -> Path:
        def snapshot(patterns: tuple[str, ...]) -> Path:
            return Path(
                snapshot_download(
                    name,
                    allow_patterns=list(patterns),
                    ignore_patterns=list(_DOUBLE),
                    token=token,
                    local_files_only=local,
                )
            )

        folder = snapshot(_WANTED)
        return folder if list(folder.glob("*.safetensors")) else snapshot(_CTRANSLATE2)

    return _fetched(name, token, fetch)


def download_tokenizer(name: str, token: str | None = None) -> Path:
    """The tokenizer.json of a hub name. Raises ConfigError."""
    from huggingface_hub import hf_hub_download

    return _fetched(
        name,
        token,
        lambda local: Path(hf_hub_download(name, "tokenizer.json", token=token, local_files_only=local)),
    )


def _fetched(name: str, token: str | None, fetch: Callable[[bool], Path]) -> Path:
    """Fetch from the hub; if it does not respond, from its client's cache. Raises ConfigError."""
    reached = _reached(name, token)
    try:
        return fetch(not reached)
    except Exception as error:  # of the hub client, httpx or the disk
        reason = type(error).__name__ if reached else "it does not respond"
        raise ConfigError(
            f"cannot get {name} from the hub ({reason}). Check the name and the network, set HF_TOKEN "
            "for a gated model, or set MODEL_ID to a folder"
        ) from error


def _reached(name: str, token: str | None = None) -> bool:
    """Whether the hub responds, even with an error. Its client has no time limit of its own."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi(token=token).model_info(name, timeout=SILENCE_SECONDS)
    except (HfHubHTTPError, HFValidationError):
        return True
    except Exception:  # of the hub client or httpx
        return False
    return True


def reachable() -> bool:
    """Whether the hub can be reached."""
    return _reached(_PROBE)
