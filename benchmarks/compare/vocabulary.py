"""A checkpoint's own vocabulary as openai/whisper's tokenizer: the package knows OpenAI's two only."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any


def _bytes_of() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes (openai/gpt-2 encoder.py)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + k): byte for k, byte in enumerate(rest)}


def reference_tokenizer(folder: Path) -> Callable[..., Any]:
    """What takes the place of whisper.tokenizer.get_tokenizer."""
    import tiktoken
    from whisper.tokenizer import Tokenizer

    table = _bytes_of()
    special = json.loads((folder / "added_tokens.json").read_text())
    first = min(special.values())
    words = {word: number for word, number in json.loads((folder / "vocab.json").read_text()).items() if number < first}
    encoding = tiktoken.Encoding(
        name="checkpoint",
        pat_str=r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
        mergeable_ranks={bytes(table[c] for c in word): number for word, number in words.items()},
        special_tokens=special,
    )

    @lru_cache
    def tokenizer(_: bool, *, num_languages: int = 100, language: str | None = None, task: str | None = None) -> Any:
        return Tokenizer(encoding, num_languages=100, language=language or "en", task=task or "transcribe")

    return tokenizer
