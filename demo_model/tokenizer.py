"""The test model's tokenizer: byte-level BPE over its words, then Whisper's special and timestamp tokens.

Same order of ids as an openai/whisper-* repository: text, <|endoftext|>, <|startoftranscript|>, 100 languages,
tasks, <|startoflm|>, <|startofprev|>, <|nospeech|>, <|notimestamps|>, then 1501 timestamps 20 ms apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from demo_model.vocabulary import LANGUAGES, WORDS
from endpoint.languages import NAMES

WHISPER_LANGUAGES = tuple(NAMES)  # large-v3's 100, in its order
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in WHISPER_LANGUAGES),
    *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
)
TIMESTAMPS = 1501
PRECISION = 0.02  # seconds between timestamp tokens


def build_tokenizer() -> Tokenizer:
    """Byte-level BPE in which every word of the vocabulary, with its leading space, is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = sorted({word for code in LANGUAGES for word in WORDS[code]})
    trainer = trainers.BpeTrainer(
        vocab_size=4000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([f" {word}" for word in words], trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    times = [f"<|{k * PRECISION:.2f}|>" for k in range(TIMESTAMPS)]
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in times])
    return tokenizer


@dataclass(frozen=True)
class Ids:
    """The token ids training and evaluation need, by name."""

    tokenizer: Tokenizer
    words: dict[str, int]
    languages: dict[str, int]
    eot: int
    sot: int
    translate: int
    transcribe: int
    prev: int
    no_speech: int
    no_timestamps: int
    first_time: int

    @classmethod
    def build(cls) -> Ids:
        tokenizer = build_tokenizer()
        token = tokenizer.token_to_id
        words = {}
        for word in sorted({word for code in LANGUAGES for word in WORDS[code]}):
            encoded = tokenizer.encode(f" {word}").ids
            assert len(encoded) == 1, f"{word!r} is {len(encoded)} tokens"
            words[word] = encoded[0]
        return cls(
            tokenizer=tokenizer,
            words=words,
            languages={code: token(f"<|{code}|>") for code in WHISPER_LANGUAGES},
            eot=token("<|endoftext|>"),
            sot=token("<|startoftranscript|>"),
            translate=token("<|translate|>"),
            transcribe=token("<|transcribe|>"),
            prev=token("<|startofprev|>"),
            no_speech=token("<|nospeech|>"),
            no_timestamps=token("<|notimestamps|>"),
            first_time=token("<|0.00|>"),
        )

    @property
    def size(self) -> int:
        return self.first_time + TIMESTAMPS

    def time(self, seconds: float) -> int:
        """The timestamp token nearest to `seconds` (0 to 30)."""
        return self.first_time + min(TIMESTAMPS - 1, max(0, round(seconds / PRECISION)))

    def suppressed(self) -> list[int]:
        """Tokens that are no speech: symbols other than apostrophe and hyphen, as the reference lists them."""
        symbols = '"#()*+/:;<=>@[\\]^_`{|}~'
        found = {self.tokenizer.token_to_id(symbol) for symbol in symbols}
        named = {self.sot, self.translate, self.transcribe, self.prev, self.no_speech}
        named.add(self.tokenizer.token_to_id("<|startoflm|>"))
        return sorted({k for k in found if k is not None} | named)


def write_slow_files(tokenizer: Tokenizer, folder: Path) -> None:
    """The older tokenizers' files beside tokenizer.json, as openai/whisper-* has them."""
    body = json.loads(tokenizer.to_str())
    (folder / "vocab.json").write_text(json.dumps(body["model"]["vocab"], ensure_ascii=False))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in body["model"]["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    added = {row["content"]: row["id"] for row in body["added_tokens"]}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    end = SPECIAL[0]
    named = {"bos_token": end, "eos_token": end, "pad_token": end, "unk_token": end}
    (folder / "special_tokens_map.json").write_text(json.dumps({**named, "additional_special_tokens": SPECIAL}))


def prefix_processor(ids: Ids) -> processors.TemplateProcessing:
    """What WhisperTokenizer puts around a text by default: start, no timestamps, text, end."""
    return processors.TemplateProcessing(
        single="<|startoftranscript|> <|notimestamps|> $A <|endoftext|>",
        special_tokens=[
            ("<|startoftranscript|>", ids.sot),
            ("<|notimestamps|>", ids.no_timestamps),
            ("<|endoftext|>", ids.eot),
        ],
    )
