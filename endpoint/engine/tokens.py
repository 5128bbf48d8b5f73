"""The token ids of one Whisper checkpoint, by name, and its text codec.

Read from the files beside the weights (tokenizer.json, generation_config.json), so every size and every
vocabulary works alike: English-only models, large-v3's 100 languages, the test model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import Tokenizer

from endpoint.errors import ConfigError
from endpoint.languages import NAMES

TIMESTAMPS = 1501  # 0.00 to 30.00 s in steps of 20 ms
_NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")  # newer and older name


def _byte_characters() -> dict[str, int]:
    """Byte-level BPE writes every byte as one printable character (openai/gpt-2 encoder.py, bytes_to_unicode)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(other)}


_BYTES = _byte_characters()


@dataclass(frozen=True)
class WhisperTokens:
    """Ids of one checkpoint.

    slot: <|startoflm|>, which no checkpoint ever predicts; the decoding rules pass scores out through it.
    languages: code -> id, empty for English-only models.
    suppressed: never generated. suppressed_first: not as the first token of the text.
    """

    codec: Tokenizer = field(repr=False, compare=False)
    vocabulary: int
    eot: int
    sot: int
    prev: int
    slot: int
    no_speech: int
    no_timestamps: int
    first_time: int
    transcribe: int
    translate: int
    languages: dict[str, int]
    suppressed: tuple[int, ...]
    suppressed_first: tuple[int, ...]

    @property
    def multilingual(self) -> bool:
        return bool(self.languages)

    @classmethod
    def load(cls, folder: str | Path) -> WhisperTokens:
        """Read a checkpoint's folder. Raises ConfigError naming the file that is missing or no Whisper's."""
        folder = Path(folder)
        try:
            codec = Tokenizer.from_file(str(folder / "tokenizer.json"))
            generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except Exception as error:  # tokenizers raises bare Exception for a missing or broken file
            raise ConfigError(f"{folder} is not a Whisper model in Hugging Face's format: {error}") from error
        return cls._named(codec, generation, config, folder)

    @classmethod
    def _named(cls, codec: Tokenizer, generation: dict[str, object], config: dict[str, int], at: Path) -> WhisperTokens:
        if "vocab_size" not in config:
            raise ConfigError(f"{at}/config.json has no vocab_size; is it a Whisper model?")

        def need(*names: str) -> int:
            for name in names:
                if (number := codec.token_to_id(name)) is not None:
                    return int(number)
            raise ConfigError(f"{at}/tokenizer.json has no token {names[0]}; is it a Whisper model?")

        languages = {code: codec.token_to_id(f"<|{code}|>") for code in NAMES}
        known = {code: number for code, number in languages.items() if number is not None}
        multilingual = generation.get("is_multilingual", True)
        sot, slot, prev = need("<|startoftranscript|>"), need("<|startoflm|>"), need("<|startofprev|>")
        no_speech, tasks = need(*_NO_SPEECH), (need("<|transcribe|>"), need("<|translate|>"))
        listed = generation.get("suppress_tokens") or config.get("suppress_tokens") or ()
        first = generation.get("begin_suppress_tokens") or config.get("begin_suppress_tokens") or ()
        assert isinstance(listed, Sequence)
        assert isinstance(first, Sequence)
        named = {sot, slot, prev, no_speech, *tasks, *known.values()}
        return cls(
            codec=codec,
            vocabulary=int(config["vocab_size"]),
            eot=need("<|endoftext|>"),
            sot=sot,
            prev=prev,
            slot=slot,
            no_speech=no_speech,
            no_timestamps=need("<|notimestamps|>"),
            first_time=need("<|0.00|>"),
            transcribe=tasks[0],
            translate=tasks[1],
            languages=known if multilingual else {},
            suppressed=tuple(sorted(named | {int(t) for t in listed if int(t) >= 0})),
            suppressed_first=tuple(sorted(int(t) for t in first)),
        )

    def encode(self, text: str) -> list[int]:
        """Plain text to ids; special tokens written out in it are left out."""
        encoded = self.codec.encode(text, add_special_tokens=False).ids
        return [number for number in encoded if number < self.eot]

    def decode(self, ids: Sequence[int]) -> str:
        """Ids to text; timestamps and special tokens are left out."""
        return str(self.codec.decode([number for number in ids if number < self.eot]))

    def data(self, token: int) -> bytes:
        """The UTF-8 bytes a token of the text stands for, part of a character sometimes."""
        return bytes(_BYTES[character] for character in self.codec.id_to_token(token) or "")

    def milliseconds(self, token: int) -> int:
        """A timestamp token's time from the window's start."""
        return (token - self.first_time) * 20

    def is_time(self, token: int) -> bool:
        return self.first_time <= token < self.first_time + TIMESTAMPS
